// What libraries of others say of our webhooks and releases: reads one JSON document, writes one.
// Run by --eval in the folder that holds the libraries, so that they are found there.
import { readFileSync } from "node:fs";
import { Octokit } from "@octokit/rest";
import * as hub from "@octokit/webhooks-methods";
import { Webhook } from "standardwebhooks";
import { Webhook as Svix } from "svix";

const judges = {
  standardwebhooks: (secret, body, headers) => new Webhook(secret).verify(body, headers),
  svix: (secret, body, headers) => new Svix(secret).verify(body, headers),
  "@octokit/webhooks-methods": async (secret, body, headers) => {
    if (!(await hub.verify(secret, body, headers["x-hub-signature-256"]))) throw new Error("refused");
  },
};

async function verify(cases) {
  const found = [];
  for (const { judge, ...given } of cases) {
    const body = Buffer.from(given.body, "base64").toString("utf8");
    try {
      await judges[judge](given.secret, body, given.headers);
      found.push(true);
    } catch {
      found.push(false);
    }
  }
  return found;
}

const sign = (cases) =>
  cases.map(({ judge, secret, id, time, body }) =>
    new (judge === "svix" ? Svix : Webhook)(secret).sign(id, new Date(time * 1000), body),
  );

async function release({ url, token, owner, repo, tag, make }) {
  const octokit = new Octokit({ auth: token, baseUrl: `${url}/api/v3`, log: { debug() {}, info() {}, warn() {}, error() {} } });
  const at = { owner, repo };
  if (make) {
    const { data: draft } = await octokit.repos.createRelease({ ...at, tag_name: make, draft: true, name: make });
    await octokit.repos.uploadReleaseAsset({ ...at, release_id: draft.id, url: draft.upload_url, name: "theirs.txt", data: "theirs" });
    await octokit.repos.updateRelease({ ...at, release_id: draft.id, draft: false });
  }
  const { data: found } = await octokit.repos.getReleaseByTag({ ...at, tag });
  const assets = await octokit.paginate(octokit.repos.listReleaseAssets, { ...at, release_id: found.id, per_page: 2 });
  return {
    draft: found.draft,
    assets: Object.fromEntries(assets.map((asset) => [asset.name, [asset.size, asset.digest]])),
  };
}

const asked = JSON.parse(readFileSync(0, "utf8"));
const answers = { verify, sign, release };
const told = {};
for (const [name, given] of Object.entries(asked)) told[name] = await answers[name](given);
process.stdout.write(JSON.stringify(told));
