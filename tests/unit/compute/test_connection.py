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
UNTRUSTED = requests.exceptions.SSLError(
    "(_ssl.c) [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed"
)

#: Variables, the error, what is told, and whether it is given up at once.
CASES: dict[str, tuple[dict[str, str], Exception, str, bool]] = {
    "407": (
        {"HTTPS_PROXY": f"http://me:{SECRET}@proxy.acme.example:3128"}, tunnel("407 Proxy Authentication Required"),
        "the proxy http://proxy.acme.example:3128 (HTTPS_PROXY) asks for a sign-in (HTTP 407)", True,
    ),
    "403": (
        {"https_proxy": "proxy.acme.example:3128"}, tunnel("403 Forbidden"),
        "the proxy http://proxy.acme.example:3128 (https_proxy) refuses to let this machine through (HTTP 403)", True,
    ),
    "502": ({"ALL_PROXY": "http://10.0.0.1:80"}, tunnel("502 Bad Gateway"), "the proxy http://10.0.0.1:80 (ALL_PROXY) could not connect (HTTP 502)", False),
    "nobody there": (
        {"HTTPS_PROXY": "http://[::1]:9"}, PROXY("NewConnectionError: [Errno 111] Connection refused"),
        "the proxy http://[::1]:9 (HTTPS_PROXY) could not be reached (Connection refused)", False,
    ),
    "lost behind it": ({"HTTPS_PROXY": "https://proxy.acme.example"}, USUAL("Connection aborted"), "was lost (Connection aborted), through the proxy https://proxy.acme.example (HTTPS_PROXY)", False),
    "a password with a slash": ({"HTTPS_PROXY": f"http://me.acme:12/{SECRET}@proxy.acme.example:1"}, PROXY(""), "the proxy of HTTPS_PROXY could not be reached", False),
    "a token for a proxy": ({"HTTPS_PROXY": f"{SECRET}{SECRET}{SECRET}"}, PROXY(""), "the proxy of HTTPS_PROXY could not be reached", False),
    "another scheme": ({"HTTPS_PROXY": f"foo://{SECRET}.x:1"}, requests.exceptions.InvalidURL(SECRET), "HTTPS_PROXY is not the URL of a proxy that can be used", True),
    "socks": ({"ALL_PROXY": "socks5://x.y:1"}, requests.exceptions.InvalidSchema("Missing dependencies"), "ALL_PROXY is not the URL", True),
    "excepted": ({"HTTPS_PROXY": "http://proxy.acme.example:1", "NO_PROXY": HOST}, USUAL("[Errno 111] Connection refused"), f"{HOST}: the connection could not be made or was lost (Connection refused)", False),
    "no proxy": ({}, USUAL("[Errno 111] Connection refused"), "lost (Connection refused)", False),
    "no bundle": ({"REQUESTS_CA_BUNDLE": "/etc/ssl/acme.pem"}, OSError(f"{NO_BUNDLE}/etc/ssl/acme.pem"), "REQUESTS_CA_BUNDLE names no file (/etc/ssl/acme.pem)", True),
    "the other bundle": ({"CURL_CA_BUNDLE": "/no"}, OSError(f"{NO_BUNDLE}/no"), "CURL_CA_BUNDLE names no file (/no)", True),
    "a certificate for a bundle": (
        {"REQUESTS_CA_BUNDLE": f"-----BEGIN CERTIFICATE-----\n{SECRET}"}, OSError(f"{NO_BUNDLE}-----BEGIN\n{SECRET}"),
        "REQUESTS_CA_BUNDLE names no file (a key or certificate in PEM (42 characters))", True,
    ),
    "no certificates": ({"REQUESTS_CA_BUNDLE": "/etc/passwd"}, requests.exceptions.SSLError("[X509: NO_CERTIFICATE_OR_CRL_FOUND]"), "names a file that holds no certificates (/etc/passwd)", True),
    "untrusted": ({}, UNTRUSTED, "REQUESTS_CA_BUNDLE must name a file with its certificate", False),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_trouble(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    env, error, told, given_up = CASES[case]
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    trouble = connection.of(error, HOST, encrypted=True)
    assert trouble.text.startswith(f"{HOST}: ")
    assert told in trouble.text
    assert bool(trouble.remedy) is given_up
    assert SECRET not in f"{trouble.text} {trouble.remedy}"


def test_proxies_do_not_count_on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.acme.example:3128")
    trouble = connection.of(USUAL("[Errno 111] Connection refused"), "127.0.0.1:9", encrypted=False)
    assert trouble.text == "127.0.0.1:9: the connection could not be made or was lost (Connection refused)"


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
