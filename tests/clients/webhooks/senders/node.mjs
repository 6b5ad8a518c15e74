// Signs and sends from Node: fetch|http|standardwebhooks|svix|@octokit/webhooks-methods, and the URL; see openssl.sh for
// what it reads. The first two need nothing but Node; the last one sends GitHub's header instead. Run by --eval in the folder that holds the libraries, so that they are found there.
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { request } from "node:http";

const [by, url] = process.argv.slice(1);

async function signer(secret) {
  if (by === "fetch" || by === "http") {
    const key = Buffer.from(secret.replace("whsec_", ""), "base64");
    return (id, time, body) => "v1," + createHmac("sha256", key).update(`${id}.${time}.`).update(body).digest("base64");
  }
  const { Webhook, sign } = await import(by);
  if (sign) return (id, time, body) => sign(secret, body.toString("utf8"));
  return (id, time, body) => new Webhook(secret).sign(id, new Date(time * 1000), body.toString("utf8"));
}

// In chunks, and only once the receiver has said that it wants them.
const afterAsking = (headers, body) =>
  new Promise((done, failed) => {
    const sent = request(url, { method: "POST", headers: { ...headers, Expect: "100-continue" } }, (answer) => {
      answer.resume();
      done(answer.statusCode);
    });
    sent.on("error", failed);
    sent.on("continue", () => {
      for (let at = 0; at < body.length; at += 5000) sent.write(body.subarray(at, at + 5000));
      sent.end();
    });
    sent.flushHeaders();
  });

const fetched = async (headers, body) => (await fetch(url, { method: "POST", headers, body })).status;

for (const line of readFileSync(0, "utf8").trimEnd().split("\n")) {
  const [id, time, secret, path, given] = line.split("\t");
  const body = readFileSync(path);
  const signature = given === "-" ? await (await signer(secret))(id, time, body) : given;
  const proof = signature.startsWith("sha256=")
    ? { "x-github-delivery": id, "x-github-event": "release", "x-hub-signature-256": signature }
    : { "webhook-id": id, "webhook-timestamp": time, "webhook-signature": signature };
  const headers = { "content-type": "application/json", ...proof };
  process.stdout.write(`${await (by === "http" ? afterAsking : fetched)(headers, body)}\t${signature}\n`);
}
