"""An index fetched by https from servers on loopback: redirects, limits, faults, and no credentials for anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from replicator.commands.resolve import fetch
from replicator.core.errors import BadSettings, ReplicatorError
from testkit.resolve import https

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from testkit.resolve.https import Answer, Site


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return https.certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def site(certificate: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Site]:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password hunter2\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with https.serving(certificate) as running:
        yield running


def to(target: str, status: int = 302) -> Answer:
    return status, {"Location": target}, b"elsewhere"


def test_the_bytes_come_as_they_are_and_nobody_gets_credentials(site: Site) -> None:
    site.answers = {
        "/i": to("/j", 301),
        "/j": to(f"{site.url}/k?token=x", 307),
        "/k?token=x": (200, {}, b"\xef\xbb\xbf{}"),
    }
    assert fetch.read(f"{site.url}/i") == b"\xef\xbb\xbf{}"
    assert [path for path, _ in site.asked] == ["/i", "/j", "/k?token=x"]
    for _, headers in site.asked:
        assert not {"authorization", "cookie"} & set(headers)
        assert headers["accept-encoding"] == "identity"


def test_five_redirects_and_no_more(site: Site) -> None:
    site.answers = {f"/{at}": to(f"/{at + 1}") for at in range(5)} | {"/5": (200, {}, b"x")}
    assert fetch.read(f"{site.url}/0") == b"x"
    site.answers["/5"] = to("/6")
    with pytest.raises(BadSettings, match=r"redirected more than 5 times, last by 127\.0\.0\.1"):
        fetch.read(f"{site.url}/0")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (to("http://127.0.0.1:1/secret-path"), "127.0.0.1 redirects to a URL that isn't https"),
        (to("file:///etc/passwd"), "redirects to a URL that isn't https"),
        (to("https://user:pass@127.0.0.1/"), "redirects to a URL that isn't a valid URL"),
        (to("https://[::1"), "redirects to a URL that isn't a valid"),
        ((404, {}, b"secret page"), "can't be fetched: 127.0.0.1 answered 404"),
        ((401, {}, b""), "can't be fetched: 127.0.0.1 answered 401"),
        ((204, {}, b""), "can't be fetched: 127.0.0.1 answered 204"),
        ((200, {}, b"x" * 2049), "is larger than 2048 bytes at 127.0.0.1"),
    ],
)
def test_what_is_no_index(site: Site, monkeypatch: pytest.MonkeyPatch, answer: Answer, says: str) -> None:
    monkeypatch.setattr(fetch, "LARGEST", 2048)
    site.answers = {"/i?token=hunter3": answer}
    with pytest.raises(BadSettings, match="index: ") as caught:
        fetch.read(f"{site.url}/i?token=hunter3")
    assert says in str(caught.value)
    assert "hunter" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_may_pass_is_unreachable(site: Site, status: int) -> None:
    site.answers = {"/i": (status, {}, b"")}
    with pytest.raises(ReplicatorError, match=f"127.0.0.1 answered {status}") as caught:
        fetch.read(f"{site.url}/i")
    assert caught.value.exit_code == 4


def test_no_answer_and_an_untrusted_one_are_unreachable(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ReplicatorError, match=r"127\.0\.0\.1: .*Connection refused") as caught:
        fetch.read("https://127.0.0.1:1/i")
    assert caught.value.exit_code == 4
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(ReplicatorError, match="because its certificate is not trusted"):
        fetch.read(f"{site.url}/i")


def test_a_slow_one_is_given_up(site: Site) -> None:
    site.answers = {"/i": (200, {}, b"x" * 200_000)}
    times = iter([0.0, 0.0, *[100.0] * 9])
    with pytest.raises(ReplicatorError, match="sent no whole file in 30 seconds"):
        fetch.read(f"{site.url}/i", clock=lambda: next(times))
