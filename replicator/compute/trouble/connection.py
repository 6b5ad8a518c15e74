"""Tells why a request was not sent or not answered: the host, a proxy, certificates; in words without secrets."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests
from requests.utils import get_environ_proxies, select_proxy

from replicator.bootstrap.quote import quoted_path
from replicator.compute.trouble import environment

_PROXIES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
#: What OpenSSL says of a bundle that holds no certificates.
_NO_CERTIFICATES = ("NO_CERTIFICATE_OR_CRL_FOUND", "NO_START_LINE", "BAD_BASE64", "PEM lib")

_WORDS = {
    requests.exceptions.ConnectTimeout: "no connection within the time allowed",
    requests.exceptions.ReadTimeout: "no answer within the time allowed",
    requests.exceptions.SSLError: "the encrypted connection could not be made",
    requests.exceptions.ChunkedEncodingError: "the connection was lost in the middle of the answer",
    requests.exceptions.ConnectionError: "the connection could not be made or was lost",
}
_CAUSE = re.compile(r"(?<=\] )[^'\"()]+|Connection aborted")
_BAD_URL = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
)
_LABEL = r"[a-z0-9_-]{1,30}"
_HOST = re.compile(rf"(?=.{{1,80}}$)(localhost|{_LABEL}(\.{_LABEL})+|[0-9a-f:]*:[0-9a-f:.]*)")


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a host could not be spoken with."""

    text: str
    remedy: str = ""
    """What to do, where waiting does not help and it is known whose it is to mend."""


def of(error: Exception, host: str, *, encrypted: bool) -> Trouble:
    """Explain an error of requests, or of a library below it, for the host that the request was meant for.

    Proxies and certificates count only where that was to be `encrypted`: other hosts are on loopback.
    """
    said = str(error)
    found = (_of_certificates(said, host) or _of_proxy(error, said, host)) if encrypted else None
    return found or _usual(error, said, host)


def of_url(error: Exception, url: str) -> Trouble:
    """Explain an error of a request to a URL, of which no more than the host is shown."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return of(error, "the host", encrypted=False)
    return of(error, parts.hostname or "the host", encrypted=parts.scheme == "https")


def _of_certificates(said: str, host: str) -> Trouble | None:
    variable = environment.first_set(_BUNDLES, os.environ)
    missing = "invalid path: " in said
    if variable and (missing or any(words in said for words in _NO_CERTIFICATES)):
        what = "names no file" if missing else "names a file that holds no certificates"
        shown = quoted_path(os.environ[variable]).strip("'")
        return Trouble(f"{host}: {variable} {what} ({shown})", f"Correct {variable}, or unset it; then run this again.")
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return Trouble(
            f"{host}: the encrypted connection could not be made, because its certificate is not trusted{_cause(said)};"
            " where a proxy of the network opens such connections, REQUESTS_CA_BUNDLE must name a file with its "
            "certificate"
        )
    return None


def _of_proxy(error: Exception, said: str, host: str) -> Trouble | None:
    found = _proxy(host)
    if found is None:
        return None
    variable, proxy = found
    through = f"the proxy {proxy} ({variable})" if proxy else f"the proxy of {variable}"
    if isinstance(error, _BAD_URL):
        what = f"{host}: {variable} is not the URL of a proxy that can be used"
        return Trouble(what, f"Write {variable} as http://HOST:PORT, or unset it; then run this again.")
    refused = re.search(r"Tunnel connection failed: (\d{3})", said)
    if refused and refused[1] == "407":
        return Trouble(
            f"{host}: {through} asks for a sign-in (HTTP 407)",
            f"Put the proxy's user and password, percent-encoded, before the host in {variable}, or name {host} in "
            "NO_PROXY where it can be reached without; then run this again.",
        )
    if refused and refused[1] == "403":
        return Trouble(
            f"{host}: {through} refuses to let this machine through (HTTP 403)",
            f"Ask its administrator to allow {host}, or name {host} in NO_PROXY where it can be reached without.",
        )
    if refused:
        return Trouble(f"{host}: {through} could not connect (HTTP {refused[1]})")
    if isinstance(error, requests.exceptions.ProxyError):
        return Trouble(f"{host}: {through} could not be reached{_cause(said)}")
    usual = _usual(error, said, host)
    return Trouble(f"{usual.text}, through {through}")


def _usual(error: Exception, said: str, host: str) -> Trouble:
    words = next((text for kind, text in _WORDS.items() if isinstance(error, kind)), "the connection failed")
    return Trouble(f"{host}: {words}{_cause(said)}")


def _cause(said: str) -> str:
    """What a library below names as the cause; empty where it names none."""
    found = _CAUSE.search(said)
    return f" ({found[0].rstrip()})" if found else ""


def _proxy(host: str) -> tuple[str, str | None] | None:
    """The variable that sets the proxy that requests takes for a host, and the proxy for people; None without one."""
    url = f"https://{host}"
    try:
        if not select_proxy(url, get_environ_proxies(url)):
            return None
    except ValueError:
        # Also what is wrong with a proxy's URL may first show here.
        pass
    variable = environment.first_set(_PROXIES, os.environ)
    return (variable, _shown(os.environ[variable])) if variable else ("the system's settings", None)


def _shown(proxy: str) -> str | None:
    """Return a proxy without its user and password; None if the text may not be a proxy."""
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return None
    secret = "@" in f"{parts.path}{parts.query}{parts.fragment}"
    if secret or parts.scheme not in {"http", "https"} or not _HOST.fullmatch(host):
        return None
    name = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{name}:{port}" if port else f"{parts.scheme}://{name}"
