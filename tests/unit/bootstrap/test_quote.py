"""Tests that typos are quoted and that secrets in the wrong place are described."""

from __future__ import annotations

import pytest

from replicator.bootstrap.quote import is_credential, quoted, quoted_path
from testkit.texts.misplaced import SECRETS

TYPOS = [
    *("europ", "EU", "us-central1-a", "tru", "10x", "-1", "web_v1", "Web-Server", "us , eu", "", " ", "ö", "x" * 80),
    *("projects/P/global/images/Web_Server_Version_2", "{name}-{locaton}", "{name", "[0-9]+", "v[0-9]+.[0-9]+", "^v$"),
    *(
        "https://example.com:99999",
        "http://example.com/compute/v1/projects/p1",
        "build/Release-X86_64-20261128T101112Z",
    ),
    *("refs/heads/Feature/ABC-1234-FixTheThing2", "web-v1-20261128-101112-a1b2c3d4e5", "key=value=more", "a'b"),
    *("projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1", "C:\\Users\\Me\\packer-manifest.json"),
    "https://github.com/acme/web/.github/workflows/Release.yml@refs/tags/v1",
]


@pytest.mark.parametrize("typo", TYPOS)
def test_a_typo_is_quoted(typo: str) -> None:
    assert quoted(typo) == f"'{typo}'"


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_described(name: str) -> None:
    secret = SECRETS[name]
    said = quoted(secret)
    assert said.endswith(f" ({len(secret)} characters)")
    assert not any(secret[at : at + 8] in said for at in range(len(secret) - 7))


@pytest.mark.parametrize("text", ["x" * 81, "a\nb", "a\rb", "a\u2028b"])
def test_what_is_long_or_has_several_lines_is_described(text: str) -> None:
    assert quoted(text).startswith("a text")


def test_a_path_may_be_long() -> None:
    deep = "/home/runner/jobs/a-repository-with-a-long-name/a-repository-with-a-long-name/packer-manifest.json"
    assert quoted_path(deep) == f"'{deep}'"
    assert quoted_path(f"/jobs/{SECRETS['JSON key']}").startswith("a key")
    assert quoted_path("/jobs/" + "x" * 81).startswith("a text")


def test_what_is_certainly_a_credential() -> None:
    certain = {name for name, secret in SECRETS.items() if is_credential(secret)}
    assert {"PEM", "GitHub", "Google", "JWT", "base64 of PEM", "base64 of JSON key"} <= certain
    assert not any(map(is_credential, TYPOS))
