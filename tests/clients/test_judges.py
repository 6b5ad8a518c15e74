"""What programs and libraries of others say of our webhooks and releases: unmodified, where they are there."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from replicator.commands.webhooks import secrets, signature
from replicator.commands.webhooks.signature import Proof
from testkit.forges.caller import COMMIT, FILES, Caller
from testkit.forges.front import Front, Request, Response, as_json, front
from testkit.forges.github import GitHub
from testkit.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NODE = ROOT / "build" / "engines" / "judges"
PYGITHUB = ROOT / "build" / "engines" / "pygithub"
OLD, NEW, OTHER = (secrets.made(bytes([number]) * 32) for number in (1, 2, 3))
HUB = "@octokit/webhooks-methods"
BODIES = [
    b"{}",
    b"[]",
    b'{"a":1}',
    b'{"a": 1 }',
    b'{"b":1,"a":2}',
    b'{"a":"\\u00e4"}',
    '{"a":"ä"}'.encode(),
    '{"a":"\U0001f600"}'.encode(),
    '{"ключ":"値"}'.encode(),
    b'{"a":"\\n"}',
    b'{"a":"."}',
    b'{"a":"v1,"}',
    b'{"a":null}',
    b'{"a":1e3}',
    b'{"a":[[[[]]]]}',
    b'{"a":"' + b"x" * 70_000 + b'"}',
    b'{"a":"\\\\"}',
    b' {"a":1}',
    b'{"a":1}\n',
    b'{"a":"</script>"}',
]


def ask(**asked: Any) -> dict[str, Any]:
    """What the libraries on Node say."""
    if not shutil.which("node") or not NODE.exists():
        pytest.skip("judges on Node are missing: `bash scripts/node.sh judges` installs them where Node is")
    program = (ROOT / "tests" / "clients" / "judge.mjs").read_text("utf-8")
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", program],
        input=json.dumps(asked),
        cwd=NODE.resolve(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def case(judge: str, secret: str, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
    return {"judge": judge, "secret": secret, "body": base64.b64encode(body).decode(), "headers": headers}


def flipped(headers: dict[str, str], body: bytes) -> Iterator[tuple[dict[str, str], bytes]]:
    """One bit changed in body, id, time or signature."""
    for at in range(0, 8 * len(body), 7):
        changed = bytearray(body)
        changed[at // 8] ^= 1 << at % 8
        yield headers, bytes(changed)
    for name, digit in ((signature.ID, "0"), (signature.TIMESTAMP, "0")):
        yield {**headers, name: headers[name][:-1] + ("1" if headers[name][-1] == digit else digit)}, body
    for name, prefix in ((signature.SIGNATURE, "v1,"), (signature.HUB, "sha256=")):
        raw = headers[name].split(" ")[0].removeprefix(prefix)
        other = raw[:5] + ("A" if raw[5] != "A" else "B") + raw[6:]
        yield {**headers, name: prefix + (other if prefix == "v1," else raw[:5] + ("0" if raw[5] != "0" else "1") + raw[6:])}, body  # fmt: skip


def test_they_verify_what_we_send(record_property: Callable[[str, object], None]) -> None:
    """Three libraries, two secrets, twenty bodies; the hub's header is by the current secret only."""
    now = int(time.time())
    right, wrong = [], []
    for body in BODIES:
        headers = signature.headers([NEW, OLD], "msg_1", now, body)
        for judge in ("standardwebhooks", "svix"):
            right += [case(judge, secret, body, headers) for secret in (NEW, OLD)]
            wrong.append(case(judge, OTHER, body, headers))
        right.append(case(HUB, NEW, body, headers))
        wrong += [case(HUB, secret, body, headers) for secret in (OLD, OTHER)]
    body = b'{"type":"image.published"}'
    one = signature.headers([NEW], "msg_1", now, body)
    for headers, changed in flipped(one, body):
        touched_hub = headers[signature.HUB] != one[signature.HUB]
        for judge in ("standardwebhooks", "svix", HUB):
            ours = changed != body or (touched_hub if judge == HUB else headers != one and not touched_hub)
            wrong += [case(judge, NEW, changed, headers)] if ours else []
    told = ask(verify=[*right, *wrong])["verify"]
    assert told == [True] * len(right) + [False] * len(wrong)
    record_property("counted", ("webhooks judged by libraries on Node", len(told)))


def test_we_verify_what_they_sign(record_property: Callable[[str, object], None]) -> None:
    now = int(time.time())
    cases: list[dict[str, Any]] = [
        {"judge": judge, "secret": secret, "id": f"msg_{number}", "time": now, "body": body.decode()}
        for judge in ("standardwebhooks", "svix")
        for secret in (NEW, OLD)
        for number, body in enumerate(BODIES)
    ]
    for made, given in zip(ask(sign=cases)["sign"], cases, strict=True):
        proof = Proof(given["id"], str(now), made)
        assert signature.check(proof, given["body"].encode(), (NEW, OLD), now) == given["secret"]
        with pytest.raises(signature.Unauthenticated):
            signature.check(proof, given["body"].encode() + b" ", (NEW, OLD), now)
    record_property("counted", ("webhooks signed by libraries on Node", len(cases)))


@pytest.fixture
def forge() -> Iterator[tuple[GitHub, Front]]:
    github = GitHub()

    def backend(request: Request) -> Response:
        # gh asks there for a draft of the tag; what is published it reads from the API that is modelled.
        if request.target == "/graphql":
            return as_json(200, {"data": {"repository": {"release": None}}})
        return github(request)

    with front(backend) as server:
        github.url = server.url
        yield github, server


def right() -> dict[str, Any]:
    """What each client must find of what we published."""
    found: dict[str, Any] = {
        name: [len(text), f"sha256:{hashlib.sha256(text).hexdigest()}"] for name, text in FILES.items()
    }
    sums = "".join(
        f"{digest.removeprefix('sha256:')}  {name}\n" for name, (_, digest) in sorted(found.items())
    ).encode()
    return {**found, "SHA256SUMS": [len(sums), f"sha256:{hashlib.sha256(sums).hexdigest()}"]}


def test_octokit(forge: tuple[GitHub, Front], tmp_path: Path) -> None:
    """It publishes a release beside ours, and reads ours."""
    github, server = forge
    caller = Caller(tmp_path, server.url)
    assert caller().result == "published"
    at = {"url": server.url, "token": "ghs_right", "owner": "acme", "repo": "images", "tag": "boot-v7"}
    told = ask(release={**at, "make": "v9"})["release"]
    assert told == {"draft": False, "assets": right()}
    assert github.assets("v9") == {"theirs.txt": b"theirs"}
    assert caller().result == "unchanged"


READ_BY_PYGITHUB = """
import json, sys
import github
url, tag = sys.argv[1:]
forge = github.Github(base_url=f"{url}/api/v3", auth=github.Auth.Token("ghs_right"), retry=0)
# The repository's own document has hundreds of fields that releases don't need.
repository = forge.get_repo("acme/images", lazy=True)
theirs = repository.create_git_release("v8", "v8", "by PyGithub", draft=True)
theirs.update_release("v8", "by PyGithub", draft=False)
release = repository.get_release(tag)
assets = {asset.name: [asset.size, asset.raw_data["digest"]] for asset in release.get_assets()}
print(json.dumps({"draft": release.draft, "assets": assets}))
"""


def test_pygithub(forge: tuple[GitHub, Front], tmp_path: Path) -> None:
    if not PYGITHUB.exists():
        pytest.skip("PyGithub is missing: `bash scripts/pygithub.sh` installs it")
    github, server = forge
    caller = Caller(tmp_path, server.url)
    assert caller().result == "published"
    done = subprocess.run(
        [sys.executable, "-c", READ_BY_PYGITHUB, server.url, "boot-v7"],
        env={"PYTHONPATH": str(PYGITHUB), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"draft": False, "assets": right()}
    assert github.assets("v8") == {}
    assert caller().result == "unchanged"


class TestGh:
    """GitHub's own command line; it takes the emulator for `github.localhost` behind a proxy."""

    @pytest.fixture
    def gh(self, forge: tuple[GitHub, Front], tmp_path: Path) -> Callable[..., str]:
        if not shutil.which("gh"):
            pytest.skip("gh is missing: apt-get install gh")
        github, server = forge
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path / "home"),
            "GH_HOST": "github.localhost",
            "GH_TOKEN": "ghs_right",
            "HTTP_PROXY": server.url,
            "GH_NO_UPDATE_NOTIFIER": "1",
        }

        def run(*words: str) -> str:
            github.url = "http://api.github.localhost"
            github.upload_host = "http://uploads.github.localhost"
            github.content_host = "http://objects.localhost"
            for held in github.releases.values():
                for number, asset in held.assets.items():
                    asset["url"] = f"{github.url}/repos/acme/images/releases/assets/{number}"
            argv = ["gh", *words, "--repo", "github.localhost/acme/images"]
            done = subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
            github.url, github.upload_host, github.content_host = server.url, "", ""
            assert done.returncode == 0, done.stderr
            return done.stdout

        return run

    def test_it_downloads_ours(self, gh: Callable[..., str], forge: tuple[GitHub, Front], tmp_path: Path) -> None:
        assert Caller(tmp_path, forge[1].url)().result == "published"
        gh("release", "download", "boot-v7", "--dir", str(tmp_path / "got"))
        assert {path.name: path.read_bytes() for path in (tmp_path / "got").iterdir()}.items() >= FILES.items()
        subprocess.run(["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=tmp_path / "got", check=True, timeout=60)

    def test_its_own_is_completed_by_us(
        self, gh: Callable[..., str], forge: tuple[GitHub, Front], tmp_path: Path
    ) -> None:
        """A draft that a person made with gh, with one asset of theirs, becomes the complete release."""
        github, server = forge
        caller = Caller(tmp_path, server.url)
        github.tags["boot-v7"] = COMMIT
        (tmp_path / "manual.txt").write_bytes(b"mine")
        gh("release", "create", "boot-v7", "--draft", "--title", "T", "--notes", "N", str(tmp_path / "manual.txt"))
        left = caller()
        assert left.result == "published", left.log
        assert set(github.assets("boot-v7")) == {*FILES, "SHA256SUMS", "manual.txt"}
        (held,) = github.releases.values()
        assert held.fields["body"] == "N"
