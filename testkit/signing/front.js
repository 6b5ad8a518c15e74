// Fulcio, Rekor v1 and a certificate log of @sigstore/mock, on loopback: node front.js PACKAGES FOLDER
//
// Writes what clients trust into FOLDER (trust.json for sigstore-python, trusted_root.json and signing_config.json for
// cosign) and then, when it listens, its URL into FOLDER/url. Beside the mock's own it does what clients need of it:
// Fulcio answers 200 where the mock says 201, Rekor names its entry in ETag and Location, a statement is logged by its
// hashes, and an entry's proof is out of a tree of two leaves, because Go leaves zeros out of JSON.
//
// GET /token?sub=IDENTITY&iss=ISSUER&audience=… is a runner's token service, to whoever has the bearer token "runner".
// POST /late {"seconds": N}: Rekor's clock is that much ahead from now on.
'use strict';
const { createRequire } = require('module');
const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const path = require('path');

const [packages, folder] = process.argv.slice(2);
const load = createRequire(path.join(packages, 'package.json'));
const { initializeCA, initializeCTLog, fulcioHandler } = load('@sigstore/mock');
const canonicalize = load('canonicalize');

const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), crypto.createHash('sha256')).digest();
const pair = () => crypto.generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const spki = (keys) => keys.publicKey.export({ format: 'der', type: 'spki' });

let late = 0;

/** An identity token, which the mock does not check. */
function token(query) {
  const now = Math.floor(Date.now() / 1000);
  const claims = { sub: query.get('sub'), iss: query.get('iss'), aud: query.get('audience'), iat: now, exp: now + 300 };
  const parts = [{ alg: 'ES256', typ: 'JWT' }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'));
  return `${parts.join('.')}.${Buffer.from('unsigned').toString('base64url')}`;
}

/** A log entry as Rekor writes it of what a client proposes: of an envelope, hashes and signatures only. */
function logged(proposed) {
  if (proposed.kind !== 'dsse') return proposed;
  const given = proposed.spec.proposedContent;
  const envelope = JSON.parse(given.envelope);
  const hash = (data) => ({ algorithm: 'sha256', value: sha256(data).toString('hex') });
  const signatures = envelope.signatures.map(({ sig }, at) => ({ signature: sig, verifier: given.verifiers[at] }));
  const payloadHash = hash(Buffer.from(envelope.payload, 'base64'));
  const spec = { envelopeHash: hash(given.envelope), payloadHash, signatures };
  return { apiVersion: proposed.apiVersion, kind: 'dsse', spec };
}

/** Rekor's answer: the entry in a tree of two leaves, of which it is the second. */
function entry(proposed, keys, host) {
  const body = Buffer.from(canonicalize(logged(proposed)));
  const logId = sha256(spki(keys));
  const integratedTime = Math.floor(Date.now() / 1000) + late;
  const logIndex = 1 + crypto.randomInt(10_000_000);
  const sign = (text) => crypto.sign('sha256', Buffer.from(text), keys.privateKey);
  const told = { body: body.toString('base64'), integratedTime, logIndex, logID: logId.toString('hex') };

  const first = sha256(Buffer.of(0), 'the entry before');
  const root = sha256(Buffer.of(1), first, sha256(Buffer.of(0), body));
  const note = `${host} - 1193050959916656506\n2\n${root.toString('base64')}\n`;
  const mark = Buffer.concat([logId.subarray(0, 4), sign(note)]).toString('base64');
  const inclusionProof = {
    checkpoint: `${note}\n\u2014 ${host} ${mark}\n`,
    hashes: [first.toString('hex')],
    logIndex: 1,
    rootHash: root.toString('hex'),
    treeSize: 2,
  };
  const uuid = sha256(Buffer.of(0), body).toString('hex');
  const verification = { inclusionProof, signedEntryTimestamp: sign(canonicalize(told)).toString('base64') };
  return { uuid, answer: { [uuid]: { ...told, verification } } };
}

/** What clients trust, and where they find the services. */
function documents(url, ca, ctlog, rekor) {
  const validFor = { start: '2020-01-01T00:00:00Z' };
  const log = (baseUrl, key) => ({
    baseUrl,
    hashAlgorithm: 'SHA2_256',
    publicKey: { rawBytes: key.toString('base64'), keyDetails: 'PKIX_ECDSA_P256_SHA_256', validFor },
    logId: { keyId: sha256(key).toString('base64') },
  });
  const trustedRoot = {
    mediaType: 'application/vnd.dev.sigstore.trustedroot+json;version=0.1',
    tlogs: [log(url, spki(rekor))],
    certificateAuthorities: [
      {
        subject: { organization: 'sigstore.mock', commonName: 'sigstore' },
        uri: url,
        certChain: { certificates: [{ rawBytes: Buffer.from(ca.rootCertificate).toString('base64') }] },
        validFor,
      },
    ],
    ctlogs: [log(url, Buffer.from(ctlog.publicKey))],
    timestampAuthorities: [],
  };
  const service = (majorApiVersion) => ({ url, majorApiVersion, validFor, operator: 'sigstore.mock' });
  const signingConfig = {
    mediaType: 'application/vnd.dev.sigstore.signingconfig.v0.2+json',
    caUrls: [service(1)],
    oidcUrls: [service(1)],
    rekorTlogUrls: [service(1)],
    rekorTlogConfig: { selector: 'ANY' },
    tsaUrls: [],
    tsaConfig: { selector: 'ANY' },
  };
  const mediaType = 'application/vnd.dev.sigstore.clienttrustconfig.v0.1+json';
  return {
    'trust.json': { mediaType, trustedRoot, signingConfig },
    'trusted_root.json': trustedRoot,
    'signing_config.json': signingConfig,
  };
}

async function main() {
  const issuing = pair();
  const rekor = pair();
  const ctlog = await initializeCTLog(issuing);
  const ca = await initializeCA(issuing, ctlog);
  const fulcio = fulcioHandler(ca);

  async function answer(request, body) {
    if (request.url === fulcio.path) {
      const asked = JSON.parse(body);
      // sigstore-python gives the token in a header.
      const bearer = (request.headers.authorization || '').replace(/^Bearer /i, '');
      asked.credentials = asked.credentials || { oidcIdentityToken: bearer };
      // It sends the request for a certificate in Base64, which the mock's parser does not expect.
      if (asked.certificateSigningRequest) {
        asked.certificateSigningRequest = Buffer.from(asked.certificateSigningRequest, 'base64').toString();
      }
      const { statusCode, response } = await fulcio.fn(JSON.stringify(asked));
      return { status: statusCode === 201 ? 200 : statusCode, text: response };
    }
    if (request.url === '/api/v1/log/entries') {
      const made = entry(JSON.parse(body), rekor, request.headers.host);
      const headers = { ETag: made.uuid, Location: `/api/v1/log/entries/${made.uuid}` };
      return { status: 201, text: JSON.stringify(made.answer), headers };
    }
    const url = new URL(request.url, 'http://front');
    if (url.pathname === '/token') {
      if (request.headers.authorization !== 'bearer runner') return { status: 401, text: '{}' };
      return { status: 200, text: JSON.stringify({ value: token(url.searchParams) }) };
    }
    if (request.url === '/late') {
      late = JSON.parse(body).seconds;
      return { status: 200, text: '{}' };
    }
    return { status: 404, text: '{}' };
  }

  const server = http.createServer((request, response) => {
    const parts = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => {
      answer(request, Buffer.concat(parts).toString())
        .catch((error) => ({ status: 500, text: String(error.stack) }))
        .then(({ status, text, headers }) => {
          response.writeHead(status, { 'Content-Type': 'application/json', ...headers });
          response.end(text);
        });
    });
  });
  server.listen(0, '127.0.0.1', () => {
    const url = `http://127.0.0.1:${server.address().port}`;
    for (const [name, document] of Object.entries(documents(url, ca, ctlog, rekor))) {
      fs.writeFileSync(path.join(folder, name), `${JSON.stringify(document, null, 1)}\n`);
    }
    fs.writeFileSync(path.join(folder, 'url.part'), url);
    fs.renameSync(path.join(folder, 'url.part'), path.join(folder, 'url'));
  });
}

main();
