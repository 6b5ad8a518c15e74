"""Everybody who takes part in a sign-in, on loopback: the runner's OIDC service, Google's Security Token Service, the
impersonation of service accounts, the OAuth token service, a machine's metadata server; and who is let in then.

    with Identity() as identity:
        path = identity.workload_identity(folder)      # what google-github-actions/auth writes
        identity.guard(emulator)                       # lets in whoever has a token that is alive
        identity.answers[OIDC] = [(503, "busy")]       # given instead of the right one, in turn; the last for ever if
                                                       # it stands in `for_ever`

From the sources: google-github-actions/auth v3 (`workload_identity_federation.ts`, `main.ts`), google-auth 2.62, RFC 8693.
"""

from __future__ import annotations

import base64
import json
import socket
import struct
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Literal, Self
from urllib.parse import parse_qs, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from emulator.testing import Running

#: Stands in everything that nobody may ever read.
SECRET = "S3CR3T"

OIDC, STS, ACCOUNT, OAUTH, METADATA = "oidc", "sts", "account", "oauth", "metadata"

PROVIDER = "projects/123456789/locations/global/workloadIdentityPools/github/providers/github"
AUDIENCE = f"//iam.googleapis.com/{PROVIDER}"
"""What the Security Token Service is asked for; of the token itself it is `https:` and this."""
EMAIL = "publisher@acme.iam.gserviceaccount.com"
REQUEST_TOKEN = f"eyJ.{SECRET}-of-the-runner"
ISSUER = "https://token.actions.githubusercontent.com"

_EXCHANGE = {
    "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
    "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    "audience": AUDIENCE,
}
_IDTOKEN = "/b1946ac9/00000000-0000-0000-0000-000000000000/_apis/distributedtask/hubs/Actions/plans/1/jobs/2/idtoken"

Answer = tuple[int, str] | Literal["reset", "hang"]
RESET: Literal["reset"] = "reset"
HANG: Literal["hang"] = "hang"

_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class Refused(Exception):
    """An answer that is no token."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        self.status = status
        self.body = body


class Identity:
    """The services; `clock` gives seconds since 1970."""

    def __init__(self, *, clock: Callable[[], float] = time.time, lifetime: float = 3600) -> None:
        self.clock = clock
        self.lifetime = lifetime
        """Seconds that an access token is good for."""
        self.answers: dict[str, list[Answer]] = {}
        """Service → what it says instead of the right answer, in turn."""
        self.for_ever: set[str] = set()
        """Services that keep giving the last of these."""
        self.asked: Counter[str] = Counter()
        """Service → requests so far."""
        self.alive: dict[str, float] = {}
        """Access token → when it expires."""
        self.audience = f"https:{AUDIENCE}"
        """That the provider expects in an identity token."""
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_port}"
        self.url = f"http://{self.host}"
        self.oidc_url = f"{self.url}{_IDTOKEN}?api-version=2.0"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    # What lies on a runner.

    def job(self) -> dict[str, str]:
        """What a runner sets in a job with `id-token: write`."""
        return {
            "GITHUB_ACTIONS": "true",
            "ACTIONS_ID_TOKEN_REQUEST_URL": self.oidc_url,
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": REQUEST_TOKEN,
        }

    def signed_in(self, path: Path, project: str = "p1") -> dict[str, str]:
        """What google-github-actions/auth exports beside its file."""
        files = ("GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE", "GOOGLE_GHA_CREDS_PATH")
        projects = (
            "CLOUDSDK_CORE_PROJECT",
            "CLOUDSDK_PROJECT",
            "GCLOUD_PROJECT",
            "GCP_PROJECT",
            "GOOGLE_CLOUD_PROJECT",
        )
        return {**self.job(), **dict.fromkeys(files, str(path)), **dict.fromkeys(projects if project else (), project)}

    def workload_identity(self, folder: Path, *, direct: bool = False, **fields: Any) -> Path:
        """The file of google-github-actions/auth; `direct`: without a service account."""
        data: dict[str, Any] = {
            "type": "external_account",
            "audience": AUDIENCE,
            "subject_token_type": _EXCHANGE["subject_token_type"],
            "token_url": f"{self.url}/v1/token",
            "credential_source": {
                "url": f"{self.oidc_url}&audience=https%3A%2F%2Fiam.googleapis.com%2F{PROVIDER.replace('/', '%2F')}",
                "headers": {"Authorization": f"Bearer {REQUEST_TOKEN}"},
                "format": {"type": "json", "subject_token_field_name": "value"},
            },
        }
        if not direct:
            account = f"{self.url}/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken"
            data["service_account_impersonation_url"] = account
        return self._file(folder, {**data, **fields})

    def key(self, folder: Path, **fields: Any) -> Path:
        """A service account's key."""
        pem = _KEY.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        data = {
            "type": "service_account",
            "project_id": "acme",
            "private_key_id": "0123",
            "private_key": pem.decode(),
            "client_email": EMAIL,
            "token_uri": f"{self.url}/token",
        }
        return self._file(folder, {**data, **fields})

    def user(self, folder: Path, **fields: Any) -> Path:
        """What `gcloud auth application-default login` leaves. google-auth asks Google's service, whatever it names."""
        secrets = {"client_secret": f"{SECRET}-client", "refresh_token": f"{SECRET}-refresh"}
        data = {"type": "authorized_user", "client_id": "1.apps", **secrets, "token_uri": f"{self.url}/token"}
        return self._file(folder, {**data, **fields})

    def _file(self, folder: Path, data: Mapping[str, Any]) -> Path:
        path = folder / "gha-creds-0123456789abcdef.json"
        path.write_text(json.dumps(data, separators=(",", ":")), "utf-8")
        path.chmod(0o640)
        return path

    # Who is let in.

    def guard(self, emulator: Running, permissions: tuple[str, ...] = ("compute.*",)) -> None:
        """From now on the emulator knows nobody but the bearers of tokens that are alive."""
        guard = _Guard(self, permissions)
        scenario = emulator.app.scenario.model_copy(update={"principals": guard})
        emulator.run(lambda: setattr(emulator.app, "scenario", scenario))

    def revoke(self) -> None:
        """No token that was given for the API is good any more."""
        self.alive = {token: ends for token, ends in self.alive.items() if "-federated-" in token}

    def is_alive(self, token: str) -> bool:
        """Whether the API takes it: a token that a service gave, or one that a key signed itself."""
        claims = verified(token) or {}
        expires = claims.get("exp", 0) if claims.get("iss") == EMAIL else self.alive.get(token, 0)
        return bool(self.clock() < expires)

    # The services.

    def answer(self, service: str, request: _Handler, body: bytes) -> Answer:
        """What a service says."""
        with self._lock:
            self.asked[service] += 1
            planned = self.answers.get(service, [])
            if planned:
                return planned[0] if len(planned) == 1 and service in self.for_ever else planned.pop(0)
            try:
                return 200, json.dumps(getattr(self, f"_{service}")(request, body))
            except Refused as refusal:
                return refusal.status, json.dumps(refusal.body)

    def _oidc(self, request: _Handler, _body: bytes) -> dict[str, Any]:
        query = parse_qs(urlsplit(request.path).query)
        scheme, _, token = request.headers["Authorization"].partition(" ")
        if (scheme.lower(), token, query["api-version"]) != ("bearer", REQUEST_TOKEN, ["2.0"]):
            raise Refused(401, {"message": f"no such job {SECRET}"})
        now = int(self.clock())
        sub = "repo:acme/images:ref:refs/tags/v1.2.3"
        claims = {"iss": ISSUER, "sub": sub, "aud": query["audience"][0], "iat": now, "exp": now + 300}
        return {"count": 1, "value": sign(claims)}

    def _sts(self, _request: _Handler, body: bytes) -> dict[str, Any]:
        form = {key: values[0] for key, values in parse_qs(body.decode()).items()}
        token = form.pop("subject_token", "")
        scope = form.pop("scope", "")
        if form != _EXCHANGE or not scope.startswith("https://www.googleapis.com/auth/"):
            raise _denied("invalid_request", f"Invalid Value {token}")
        claims = verified(token)
        if claims is None or claims["iss"] != ISSUER:
            raise _denied("invalid_grant", f"The signature is not valid: {token}")
        if claims["aud"] != self.audience:
            raise _denied(
                "invalid_grant",
                f"The audience in ID Token [{claims['aud']}] does not match the expected audience {self.audience}.",
            )
        if not claims["iat"] - 60 <= self.clock() < claims["exp"]:
            raise _denied("invalid_grant", f"ID Token issued at {claims['iat']} is stale to sign-in. {token}")
        kind = "urn:ietf:params:oauth:token-type:access_token"
        return {**self._token("federated"), "issued_token_type": kind}

    def _account(self, request: _Handler, body: bytes) -> dict[str, Any]:
        if not self.is_alive(request.headers["Authorization"].removeprefix("Bearer ")):
            raise Refused(401, {"error": {"code": 401, "message": SECRET, "status": "UNAUTHENTICATED"}})
        asked = json.loads(body)
        if EMAIL not in request.path or "https://www.googleapis.com/auth/cloud-platform" not in asked["scope"]:
            raise Refused(400, {"error": {"code": 400, "message": SECRET, "status": "INVALID_ARGUMENT"}})
        given = self._token("account")
        ends = datetime.fromtimestamp(self.clock() + self.lifetime, UTC)
        return {"accessToken": given["access_token"], "expireTime": ends.strftime("%Y-%m-%dT%H:%M:%SZ")}

    def _oauth(self, _request: _Handler, body: bytes) -> dict[str, Any]:
        form = {key: values[0] for key, values in parse_qs(body.decode()).items()}
        if form["grant_type"] == "refresh_token":
            good = (form["refresh_token"], form["client_secret"]) == (f"{SECRET}-refresh", f"{SECRET}-client")
        else:
            claims = verified(form["assertion"])
            good = claims is not None and claims["iss"] == EMAIL and claims["exp"] > self.clock()
        if not good:
            raise _denied("invalid_grant", f"Token has been expired or revoked. {SECRET}")
        return self._token("oauth")

    def _metadata(self, request: _Handler, _body: bytes) -> Any:
        path = urlsplit(request.path).path
        if request.headers["Metadata-Flavor"] != "Google":
            raise Refused(403, {})
        if path == "/":
            return {}
        if path.endswith("/token"):
            return self._token("machine")
        if path.endswith(("/service-accounts/default/", f"/service-accounts/{EMAIL}/")):
            return {
                "email": EMAIL,
                "scopes": ["https://www.googleapis.com/auth/cloud-platform"],
                "aliases": ["default"],
            }
        raise Refused(404, {})

    def _token(self, kind: str) -> dict[str, Any]:
        token = f"ya29.{SECRET}-{kind}-{time.monotonic_ns()}"
        self.alive[token] = self.clock() + self.lifetime
        return {"access_token": token, "expires_in": int(self.lifetime), "token_type": "Bearer"}

    def hang(self) -> None:
        """Until the services end."""
        self._closing.wait()


class _Guard(dict[str, tuple[str, ...]]):
    """The emulator's principals: bearers of tokens that are alive at this moment."""

    def __init__(self, identity: Identity, permissions: tuple[str, ...]) -> None:
        super().__init__({"": ()})
        self._identity = identity
        self._permissions = permissions

    def get(self, key: str, default: Any = None) -> Any:
        return self._permissions if self._identity.is_alive(key) else default


class _Handler(BaseHTTPRequestHandler):
    identity: Identity
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        service = next((name for name, marks in _PLACES.items() if any(mark in self.path for mark in marks)), METADATA)
        answer = self.identity.answer(service, self, body)
        self.close_connection = True
        if answer == "hang":
            self.identity.hang()
        elif answer == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.shutdown(socket.SHUT_RD)
        else:
            status, text = answer
            data = text.encode()
            self.send_response(int(status))
            self.send_header("Content-Type", "application/json")
            self.send_header("Metadata-Flavor", "Google")
            self.send_header("Connection", "close")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    do_GET = do_POST = _serve  # noqa: N815 - the standard library's names

    def log_message(self, *_: object) -> None:
        """Nobody listens."""


_PLACES = {
    OIDC: ("/idtoken?",),
    STS: ("/v1/token",),
    ACCOUNT: (":generateAccessToken",),
    METADATA: ("/computeMetadata/",),
    OAUTH: ("/token",),
}


def _handler(identity: Identity) -> type[_Handler]:
    return type("Handler", (_Handler,), {"identity": identity})


def _denied(code: str, text: str) -> Refused:
    return Refused(400, {"error": code, "error_description": f"{text} {SECRET}"})


def sign(claims: Mapping[str, Any]) -> str:
    """A JSON Web Token, RS256."""
    signed = f"{_encode({'alg': 'RS256', 'typ': 'JWT', 'kid': '1'})}.{_encode(claims)}"
    signature = _KEY.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def verified(token: str) -> dict[str, Any] | None:
    """The claims of one; None where the signature is wrong."""
    try:
        signed, _, signature = token.rpartition(".")
        _KEY.public_key().verify(_decode(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        claims: dict[str, Any] = json.loads(_decode(signed.partition(".")[2]))
    except (InvalidSignature, ValueError):
        return None
    return claims


def _encode(part: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def _decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
