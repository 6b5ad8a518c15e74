"""Why a host could not be spoken with: the proxy, the certificates, the variables, and never a secret."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from google.auth.exceptions import MutualTLSChannelError

from replicator.compute.errors import LIBRARY_VARIABLE
from replicator.compute.trouble import connection, environment

HOST = "compute.googleapis.com"
SECRET = "hunter2hunter2"
MTLS = "Environment variable `GOOGLE_API_USE_MTLS_ENDPOINT` must be `never`, `auto` or `always`"
PROXY = requests.exceptions.ProxyError
USUAL = requests.exceptions.ConnectionError
VARIABLES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy",
             "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")  # fmt: skip


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def tunnel(status: str) -> PROXY:
    return PROXY(f"(Caused by ProxyError('Unable to connect to proxy', OSError('Tunnel connection failed: {status}')))")


NO_BUNDLE = "Could not find a suitable TLS CA certificate bundle, invalid path: "
POOL = f"HTTPSConnectionPool(host='{HOST}', port=443): Max retries exceeded with url: / "
SELF_SIGNED = "certificate verify failed: self-signed certificate"
UNTRUSTED = requests.exceptions.SSLError(
    f"{POOL}(Caused by SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] {SELF_SIGNED} (_ssl.c:1000)')))"
)
ACME, SHOWN = {"HTTPS_PROXY": "http://proxy.acme.example:1"}, "the proxy http://proxy.acme.example:1 (HTTPS_PROXY)"
CORRECT = "Correct REQUESTS_CA_BUNDLE, or unset it; then run this again."
WRITE = "Write HTTPS_PROXY as http://HOST:PORT, or unset it; then run this again."
LOST = "the connection could not be made or was lost"
NOT_TRUSTED = (
    "the encrypted connection could not be made, because its certificate is not trusted{}; where a proxy of the network opens "
    "such connections, REQUESTS_CA_BUNDLE must name a file with its certificate"
)

#: Variables, the error, what is told, and what to do where waiting does not help.
CASES: dict[str, tuple[dict[str, str], Exception, str, str]] = {
    "407": (
        {"HTTPS_PROXY": f"http://me:{SECRET}@proxy.acme.example:1"}, tunnel("407 Proxy Authentication Required"), f"{SHOWN} asks for a sign-in (HTTP 407)",
        f"Put the proxy's user and password, percent-encoded, before the host in HTTPS_PROXY, or name {HOST} in NO_PROXY where it can be reached without; then run this again.",
    ),
    "403": (
        ACME, tunnel("403 Forbidden"), f"{SHOWN} refuses to let this machine through (HTTP 403)",
        f"Ask its administrator to allow {HOST}, or name {HOST} in NO_PROXY where it can be reached without.",
    ),
    "502": (ACME, tunnel("502 Bad Gateway"), f"{SHOWN} could not connect (HTTP 502)", ""),
    "nobody there": (ACME, PROXY("NewConnectionError: [Errno 111] Connection refused"), f"{SHOWN} could not be reached (Connection refused)", ""),
    "nobody there, and no cause": (ACME, PROXY(""), f"{SHOWN} could not be reached", ""),
    "lost behind it": (ACME, USUAL("('Connection aborted.', ConnectionResetError(104, 'Connection reset by peer'))"), f"{LOST} (Connection aborted), through {SHOWN}", ""),
    "slow behind it": (ACME, requests.exceptions.ReadTimeout("Read timed out."), f"no answer within the time allowed, through {SHOWN}", ""),
    "untrusted behind it": (ACME, UNTRUSTED, NOT_TRUSTED.format(f" ({SELF_SIGNED})"), ""),
    "another scheme": ({"HTTPS_PROXY": f"foo://{SECRET}.x:1"}, requests.exceptions.InvalidURL(SECRET), "HTTPS_PROXY is not the URL of a proxy that can be used", WRITE),
    "no scheme": (ACME, requests.exceptions.MissingSchema(SECRET), "HTTPS_PROXY is not the URL of a proxy that can be used", WRITE),
    "an address for a proxy": (ACME, requests.exceptions.InvalidProxyURL(SECRET), "HTTPS_PROXY is not the URL of a proxy that can be used", WRITE),
    "socks": ({"HTTPS_PROXY": "socks5://x.y:1"}, requests.exceptions.InvalidSchema("Missing dependencies"), "HTTPS_PROXY is not the URL of a proxy that can be used", WRITE),
    "excepted": ({**ACME, "NO_PROXY": HOST}, USUAL("[Errno 111] Connection refused"), f"{LOST} (Connection refused)", ""),
    "excepted, and lost": ({**ACME, "NO_PROXY": HOST}, USUAL(""), LOST, ""),
    "refused": ({}, USUAL(f'{POOL}(Caused by NewConnectionError("HTTPSConnection(host=\'{HOST}\', port=443): Failed to establish a new connection: [Errno 111] Connection refused"))'), f"{LOST} (Connection refused)", ""),
    "refused, in older words": ({}, USUAL(f"{POOL}(Caused by NewConnectionError('<urllib3.HTTPSConnection>: [Errno 111] Connection refused'))"), f"{LOST} (Connection refused)", ""),
    "no such name": ({}, USUAL(f"{POOL}(Caused by NameResolutionError(Failed to resolve '{HOST}' ([Errno -2] Name or service not known)))"), f"{LOST} (Name or service not known)", ""),
    "no connection in time": ({}, requests.exceptions.ConnectTimeout(""), "no connection within the time allowed", ""),
    "no answer in time": ({}, requests.exceptions.ReadTimeout(""), "no answer within the time allowed", ""),
    "not encrypted": ({}, requests.exceptions.SSLError("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1000)"), "the encrypted connection could not be made (wrong version number)", ""),
    "lost in the middle": ({}, requests.exceptions.ChunkedEncodingError(""), "the connection was lost in the middle of the answer", ""),
    "something else": ({}, ValueError("x"), "the connection failed", ""),
    "no bundle": ({"REQUESTS_CA_BUNDLE": "/etc/ssl/acme.pem"}, OSError(f"{NO_BUNDLE}/etc/ssl/acme.pem"), "REQUESTS_CA_BUNDLE names no file (/etc/ssl/acme.pem)", CORRECT),
    "the other bundle": ({"CURL_CA_BUNDLE": "/no"}, OSError(f"{NO_BUNDLE}/no"), "CURL_CA_BUNDLE names no file (/no)", CORRECT.replace("REQUESTS", "CURL")),
    "a certificate for a bundle": (
        {"REQUESTS_CA_BUNDLE": f"-----BEGIN CERTIFICATE-----\n{SECRET}"}, OSError(f"{NO_BUNDLE}-----BEGIN\n{SECRET}"),
        "REQUESTS_CA_BUNDLE names no file (a key or certificate in PEM (42 characters))", CORRECT,
    ),
    "nobody's bundle": ({}, OSError(f"{NO_BUNDLE}/no"), "the connection failed", ""),
    **{
        f"no certificates: {said}": ({"REQUESTS_CA_BUNDLE": "/etc/passwd"}, OSError(said), "REQUESTS_CA_BUNDLE names a file that holds no certificates (/etc/passwd)", CORRECT)
        for said in ("[X509: NO_CERTIFICATE_OR_CRL_FOUND] no certificate or crl found", "[X509] PEM lib", "[PEM: NO_START_LINE] no start line", "[PEM: BAD_BASE64] bad base64 decode")
    },
    "nobody's certificates": ({}, OSError("[X509] PEM lib"), "the connection failed (PEM lib)", ""),
    "refused with a bundle": ({"REQUESTS_CA_BUNDLE": "/etc/ssl/acme.pem"}, USUAL("[Errno 111] Connection refused"), f"{LOST} (Connection refused)", ""),
    "untrusted": ({}, UNTRUSTED, NOT_TRUSTED.format(f" ({SELF_SIGNED})"), ""),
    "untrusted with a bundle": ({"REQUESTS_CA_BUNDLE": "/etc/ssl/acme.pem"}, UNTRUSTED, NOT_TRUSTED.format(f" ({SELF_SIGNED})"), ""),
    "untrusted, for no cause": ({}, requests.exceptions.SSLError("CERTIFICATE_VERIFY_FAILED"), NOT_TRUSTED.format(""), ""),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_trouble(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    env, error, told, remedy = CASES[case]
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    trouble = connection.of(error, HOST, encrypted=True)
    assert (trouble.text, trouble.remedy) == (f"{HOST}: {told}", remedy)
    assert SECRET not in f"{trouble.text} {trouble.remedy}"


@pytest.mark.parametrize(
    ("proxy", "shown"),
    [
        ("http://proxy.acme.example:3128", "http://proxy.acme.example:3128"),
        ("proxy.acme.example:3128", "http://proxy.acme.example:3128"),
        ("Proxy_1.acme.example", "http://proxy_1.acme.example"),
        ("https://proxy.acme.example/", "https://proxy.acme.example"),
        (f"http://me:{SECRET}@10.0.0.1:80", "http://10.0.0.1:80"),
        ("localhost:1", "http://localhost:1"),
        ("http://[::1]:9", "http://[::1]:9"),
        ("http://[::ffff:10.0.0.1]", "http://[::ffff:10.0.0.1]"),
        (f"http://{'a' * 30}.example", f"http://{'a' * 30}.example"),
        (f"http://{'a' * 30}.{'b' * 30}.{'c' * 18}", f"http://{'a' * 30}.{'b' * 30}.{'c' * 18}"),
        # What may be a password, or a token, is not shown.
        (f"http://{'a' * 30}.{'b' * 30}.{'c' * 19}", ""),
        (f"http://{'a' * 31}.example", ""),
        (f"{SECRET}{SECRET}{SECRET}", ""),
        (f"http://me.acme:12/{SECRET}@proxy.acme.example:1", ""),
        (f"http://me.acme:12?{SECRET}@proxy.acme.example:1", ""),
        (f"http://me.acme:12#{SECRET}@proxy.acme.example:1", ""),
        (f"http://me.acme:{SECRET}", ""),
        (f"http://[{SECRET}", ""),
        ("socks5://proxy.acme.example:1", ""),
        ("http:///", ""),
    ],
)
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_what_is_shown_of_a_proxy(name: str, proxy: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, proxy)
    through = f"the proxy {shown} ({name})" if shown else f"the proxy of {name}"
    assert connection.of(PROXY(""), HOST, encrypted=True).text == f"{HOST}: {through} could not be reached"


def test_the_variable_that_counts_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for the library that takes it: in small letters first, and the one for all schemes last."""
    for name in ("ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://proxy.acme.example:1")
        assert f"({name})" in connection.of(PROXY(""), HOST, encrypted=True).text


def test_a_proxy_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "get_environ_proxies", lambda _: {"https": "http://proxy.acme.example:1"})
    trouble = connection.of(PROXY(""), HOST, encrypted=True)
    assert trouble.text == f"{HOST}: the proxy of the system's settings could not be reached"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (f"https://me:{SECRET}@{HOST}/v1?key={SECRET}", f"{HOST}: {LOST}, through {SHOWN}"),
        # Proxies do not count on loopback.
        (f"http://127.0.0.1:9/{SECRET}", f"127.0.0.1: {LOST}"),
        (f"https:///{SECRET}", f"the host: {LOST}, through {SHOWN}"),
        (f"https://[{SECRET}", f"the host: {LOST}"),
    ],
)
def test_of_an_address_no_more_than_the_host_is_told(url: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", ACME["HTTPS_PROXY"])
    assert connection.of_url(USUAL(""), url).text == told


#: Variable and its value, and what a library raises.
REFUSED: list[tuple[str, str, Exception]] = [
    ("GOOGLE_CLOUD_UNIVERSE_DOMAIN", "", ValueError("Universe Domain cannot be an empty string.")),
    (
        "GOOGLE_API_USE_MTLS_ENDPOINT",
        "true",
        MutualTLSChannelError(MTLS),  # type: ignore[no-untyped-call]
    ),
    (
        "GOOGLE_API_USE_CLIENT_CERTIFICATE",
        "yes",
        ValueError("Environment variable `GOOGLE_API_USE_CLIENT_CERTIFICATE` must be"),
    ),
    ("GCE_METADATA_TIMEOUT", SECRET, ValueError(f"could not convert string to float: '{SECRET}'")),
    (
        "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION",
        "x",
        ValueError("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION x is not supported"),
    ),
    (
        "GOOGLE_CLOUD_QUOTA_PROJECT",
        SECRET,
        requests.exceptions.InvalidHeader("Invalid leading whitespace in header value"),
    ),
]


@pytest.mark.parametrize(("name", "value", "error"), REFUSED)
def test_the_variable_is_named(name: str, value: str, error: Exception) -> None:
    failure = environment.blamed(error, {name: value, "OTHER": "x"})
    assert failure is not None
    assert (failure.advice, failure.exit_code) == (LIBRARY_VARIABLE, 3)
    assert failure.what.startswith(f"Google's libraries can't use the variable {name}")
    assert ("empty" in failure.what) is (not value)
    assert f"Unset {name}, or set it to" in failure.todo
    assert SECRET not in failure.message


#: What each variable takes, and what a library says of a value that it does not take.
TAKES = {
    "GOOGLE_CLOUD_UNIVERSE_DOMAIN": ("a domain such as googleapis.com", "Universe domain is not valid"),
    "GOOGLE_API_USE_MTLS_ENDPOINT": ("never, auto or always", "GOOGLE_API_USE_MTLS_ENDPOINT must be"),
    "GOOGLE_API_USE_CLIENT_CERTIFICATE": ("true or false", "No client SSL cert was found"),
    "GOOGLE_API_CERTIFICATE_CONFIG": (
        "the path of a certificate's configuration",
        "Certificate config file is not there",
    ),
    "GCE_METADATA_TIMEOUT": ("a number of seconds", "invalid literal for int()"),
    "GCE_METADATA_DETECT_RETRIES": ("a number", "invalid literal for int()"),
    "GCE_METADATA_MTLS_MODE": ("none, strict or default", "mTLS mode is not valid"),
    "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": ("python or upb", "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION is not"),
    "GOOGLE_CLOUD_QUOTA_PROJECT": ("a project's id", "'latin-1' codec can't encode characters"),
}


@pytest.mark.parametrize("name", TAKES)
@pytest.mark.parametrize("value", ["", "x"])
def test_what_it_takes_is_told(name: str, value: str) -> None:
    takes, said = TAKES[name]
    failure = environment.blamed(ValueError(said), {name: value})
    assert failure is not None
    empty = ", which is empty (set from a variable of the workflow that is not set?)" if not value else ""
    assert failure.what == f"Google's libraries can't use the variable {name}{empty}"
    assert failure.todo.startswith(f"Unset {name}, or set it to {takes}")
    # Other words are no matter of the variable's.
    assert environment.blamed(ValueError("Nothing of the kind"), {name: value}) is None


def test_the_first_variable_that_has_a_value() -> None:
    assert environment.first_set(["A", "B", "C"], {"A": "", "B": "1", "C": "2"}) == "B"
    assert environment.first_set(["A"], {"A": ""}) == environment.first_set([], {}) == ""


@pytest.mark.parametrize("env", [{}, {"GOOGLE_API_USE_MTLS_ENDPOINT": "auto"}])
def test_a_defect_is_not_blamed_on_a_variable(env: Any) -> None:
    assert environment.blamed(ValueError("Universe Domain cannot be an empty string."), env) is None
    assert environment.blamed(KeyError("x"), env) is None
