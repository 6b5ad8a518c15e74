"""Signs in: finds Application Default Credentials and requests tokens with google-auth.

Only this module and `client` import google-auth. The texts of its exceptions are never shown, because they quote whole
answers, which may hold tokens.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

import google.auth
import requests
from google.auth import _cloud_sdk
from google.auth import exceptions as auth_errors
from google.auth.compute_engine import Credentials as MachineCredentials
from google.auth.credentials import AnonymousCredentials, with_scopes_if_required
from google.auth.transport.requests import Request as GoogleRequest

from replicator.bootstrap import decide
from replicator.bootstrap.quote import quoted_path
from replicator.compute import errors, sign_in_errors
from replicator.compute.errors import SignInFailed
from replicator.compute.refusals import NoToken, NoWay
from replicator.compute.sign_in_errors import Service
from replicator.compute.trouble import connection, environment

if TYPE_CHECKING:
    from collections.abc import Mapping


_SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
_UNIVERSE = "googleapis.com"

#: Seconds. A token service answers in a second, but the API call that waits for it may have a much longer timeout.
_LONGEST_ANSWER = 30.0

_EXCHANGE = b"token-exchange"
_METADATA = "metadata-flavor"
_BOUNDARY = "/allowedLocations"


def find(env: Mapping[str, str], *, endpoint: str) -> Any:
    """Find the credentials for an endpoint (empty: Google's), without using them yet. Raises SignInFailed."""
    # Without a handler Python prints google-auth's debug logs, including URLs and answers.
    logging.getLogger("google").addHandler(logging.NullHandler())
    try:
        # With scopes it would sign in at once and ask Resource Manager for the project.
        found, _ = google.auth.default()
    except Exception as error:  # noqa: BLE001 - it takes for granted that a file has one of the usual shapes
        raise environment.blamed(error, os.environ) or _not_found(error, env) from None
    credentials = with_scopes_if_required(found, _SCOPES)  # type: ignore[no-untyped-call]
    # A machine's universe would cost a request, and its endpoint is always that of its own universe.
    universe = _UNIVERSE if isinstance(credentials, MachineCredentials) else credentials.universe_domain
    if universe != _UNIVERSE and not endpoint:
        raise SignInFailed(
            errors.OTHER_UNIVERSE, f"The credentials belong to the universe {universe}, not to {_UNIVERSE}"
        )
    return credentials


def anonymous() -> Any:
    """Return anonymous credentials, for an emulator."""
    return AnonymousCredentials()  # type: ignore[no-untyped-call]


class TokenRequest(GoogleRequest):
    """A request for a token.

    Raises NoToken if another try may help, else SignInFailed.
    """

    def __init__(self, *, local: bool) -> None:
        super().__init__(requests.Session())
        self._local = local

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | tuple[float, float] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Send the request and return its answer, which is usable. Raises NoToken or SignInFailed.

        `timeout` is that of the call that needs the token: for all of it, or for the connection and for the answer.
        """
        if self._local and url.endswith(_BOUNDARY):
            # Before its first call google-auth asks the public IAM API where an account may be used from.
            raise auth_errors.TransportError("there is no such service on loopback")  # type: ignore[no-untyped-call]
        if _METADATA in (headers or {}) or url.endswith(_BOUNDARY):
            # google-auth repeats these requests itself, and needs their failures as they are.
            return super().__call__(url, method, body, headers, timeout, **kwargs)  # type: ignore[no-untyped-call]
        service = _service(url, method, body)
        try:
            longest = timeout[-1] if isinstance(timeout, tuple) else timeout
            timeout = min(longest or _LONGEST_ANSWER, _LONGEST_ANSWER)
            if method == "POST":
                # A redirect would send the token to another host.
                kwargs["allow_redirects"] = False
            answer: Any = super().__call__(url, method, body, headers, timeout, **kwargs)  # type: ignore[no-untyped-call]
        except auth_errors.TransportError as error:
            cause = error.args[0] if error.args and isinstance(error.args[0], Exception) else error
            trouble = connection.of(cause, urlsplit(url).hostname or "", encrypted=url.startswith("https://"))
            if trouble.remedy:
                raise NoWay(f"{service} could not be reached: {trouble.text}", remedy=trouble.remedy) from None
            raise NoToken(f"{service} could not be reached ({trouble.text})") from None
        text = answer.data.decode("utf-8", "replace")
        if answer.status in sign_in_errors.PASSING:
            raise NoToken(f"{service} answered HTTP {answer.status}")
        if answer.status != requests.codes.ok:
            raise sign_in_errors.refused(service, answer.status, text)
        if not sign_in_errors.is_usable(service, text):
            raise NoToken(f"{service} gave an answer that isn't its own (a proxy's page?)")
        return answer


def failed(error: auth_errors.GoogleAuthError) -> NoReturn:
    """Raise NoToken or SignInFailed for an error from google-auth itself (metadata server, its own checks)."""
    causes = (error, *error.args)
    if error.retryable or any(isinstance(cause, auth_errors.TransportError) for cause in causes):
        raise NoToken("the sign-in got no answer") from None
    if isinstance(error, auth_errors.InvalidOperation):
        # Anonymous credentials raise this when they are asked to renew themselves.
        raise SignInFailed(errors.CREDENTIALS_REFUSED, "The API asks for credentials, and none are sent") from None
    raise SignInFailed(errors.CREDENTIALS_REFUSED, f"google-auth can't sign in ({type(error).__name__})") from None


def _not_found(error: Exception, env: Mapping[str, str]) -> SignInFailed:
    # google-auth reads the environment of the process, not `env`.
    path = os.environ.get(sign_in_errors.FILE, "")
    if path and not os.path.exists(path):  # noqa: PTH110 - pathlib raises where the text can be no path
        return sign_in_errors.no_file(path, env)
    file = path or _cloud_sdk.get_application_default_credentials_path()  # type: ignore[no-untyped-call]
    if path or os.path.exists(file):  # noqa: PTH110
        kind = "" if isinstance(error, auth_errors.GoogleAuthError) else f" ({type(error).__name__})"
        shown = quoted_path(str(file)).strip("'")
        return SignInFailed(errors.CREDENTIALS_FILE_UNUSABLE, f"{shown} holds no usable credentials{kind}")
    return sign_in_errors.nothing_found(env, decide.payload(env.get("GITHUB_EVENT_PATH", "")))


def _service(url: str, method: str, body: bytes | None) -> Service:
    if url.endswith(":generateAccessToken"):
        return Service.ACCOUNT
    if method == "GET":
        return Service.OIDC
    return Service.STS if _EXCHANGE in (body or b"") else Service.OAUTH


def member(credentials: Any) -> str:
    """Return the caller's identity as policies write it; empty if the credentials don't tell it."""
    for name, kind in (
        ("service_account_email", "serviceAccount"),
        ("signer_email", "serviceAccount"),
        ("account", "user"),
    ):
        email = getattr(credentials, name, "")
        if isinstance(email, str) and "@" in email:
            return f"{kind}:{email}"
    return ""
