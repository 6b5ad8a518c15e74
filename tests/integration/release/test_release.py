"""`release publish` and `release show` against GitHub's API, checked by GitHub's own OpenAPI document."""

from __future__ import annotations

import hashlib
import io
import json
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from replicator import cli
from replicator.commands.release.plan import MARKER
from replicator.core.errors import ExitCode
from replicator.core.replicas import Sign
from replicator.index import image_index, provenance, sign
from replicator.index.sign import ATTESTATION_NAME, BUNDLE_NAME
from testkit.forges.caller import COMMIT, FILES, Caller
from testkit.forges.front import Front, Response, as_json
from testkit.places import ROOT
from testkit.signing import world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from testkit.forges.github import GitHub

WANTED = {*FILES, "SHA256SUMS"}


@pytest.fixture
def caller(server: Front, tmp_path: Path) -> Caller:
    return Caller(tmp_path, server.url)


def test_nothing_is_visible_until_everything_is_there(github: GitHub, server: Front, caller: Caller) -> None:
    seen = []
    server.before = lambda _number, _request: seen.append([held.fields["draft"] for held in github.releases.values()])
    left = caller()
    assert (left.exit_code, left.result) == (0, "published")
    published = [number for number, drafts in enumerate(seen) if drafts == [False]]
    patches = [number for number, entry in enumerate(server.journal) if entry.method == "PATCH"]
    assert published[0] == patches[-1] + 1
    assert set(github.assets("boot-v7")) == WANTED
    assert github.tags == {"boot-v7": COMMIT}
    lines = github.assets("boot-v7")["SHA256SUMS"].decode().splitlines()
    assert lines == [f"{hashlib.sha256(FILES[name]).hexdigest()}  {name}" for name in sorted(FILES)]


def test_outputs(caller: Caller, server: Front) -> None:
    outputs = caller().outputs
    assert outputs["commit"] == COMMIT
    assert outputs["immutable"] == "false"
    assert outputs["release_url"] == f"{server.url}/acme/images/releases/tag/boot-v7"
    rows = {row["name"]: row for row in json.loads(outputs["assets"])}
    assert set(rows) == WANTED
    assert rows["boot.iso"]["digest"] == f"sha256:{hashlib.sha256(FILES['boot.iso']).hexdigest()}"
    assert {row["outcome"] for row in rows.values()} == {"uploaded"}
    assert {row["outcome"] for row in json.loads(caller().outputs["assets"])} == {"kept"}


def test_an_annotated_tag_is_peeled(github: GitHub, caller: Caller) -> None:
    github.tags["boot-v7"], github.annotated = "1" * 40, {"1" * 40: "2" * 40, "2" * 40: COMMIT}
    assert caller().result == "published"


def test_a_tag_elsewhere_writes_nothing(github: GitHub, server: Front, caller: Caller) -> None:
    github.tags["boot-v7"] = "b" * 40
    left = caller()
    assert (left.exit_code, left.why, server.writes) == (1, "tag_elsewhere", [])


def test_a_persons_draft_keeps_its_notes_and_foreign_assets(github: GitHub, caller: Caller) -> None:
    held = github.add("boot-v7", body="My words")
    github.add_asset(held, "manual.pdf", b"mine")
    github.add_asset(held, "boot.iso", b"an older one")
    left = caller()
    assert left.outcomes == {**dict.fromkeys(WANTED, "uploaded"), "boot.iso": "replaced"}
    assert github.assets("boot-v7")["manual.pdf"] == b"mine"
    assert held.fields["body"] == "My words"
    assert "Left alone, because it isn't ours: manual.pdf" in left.log


def test_several_drafts_with_assets_write_nothing(github: GitHub, server: Front, caller: Caller) -> None:
    for _ in range(2):
        github.add_asset(github.add("boot-v7"), "x", b"x")
    left = caller()
    assert (left.exit_code, left.why) == (1, "ambiguous")
    assert [entry.target.rsplit("/", 1)[1] for entry in server.writes] in ([], ["refs"])


def test_an_immutable_repository_is_complete_at_the_first_publish(
    github: GitHub, server: Front, caller: Caller, tmp_path: Path
) -> None:
    github.immutable = True
    left = caller()
    assert (left.result, left.outputs["immutable"]) == ("published", "true")
    assert caller().result == "unchanged"
    (tmp_path / "out" / "boot.iso").write_bytes(b"another build")
    before = len(server.writes)
    for policy in ("draft", "always", "never"):
        left = caller(replace=policy)
        assert (left.exit_code, left.why) == (1, "release_immutable")
        assert "new tag" in left.log
    assert len(server.writes) == before


def test_a_published_release_is_changed_only_with_always(
    github: GitHub, server: Front, caller: Caller, tmp_path: Path
) -> None:
    caller()
    (tmp_path / "out" / "boot.iso").write_bytes(b"another build")
    before = len(server.writes)
    assert caller().why == "release_differs"
    assert len(server.writes) == before
    assert caller(replace="always").outcomes["boot.iso"] == "replaced"
    assert github.assets("boot-v7")["boot.iso"] == b"another build"


def test_the_draft_is_left_for_a_person(github: GitHub, caller: Caller) -> None:
    assert caller(publish="false").result == "draft"
    (held,) = github.releases.values()
    assert held.fields["draft"]
    assert MARKER in held.fields["body"]
    assert caller().result == "published"


def test_a_dry_run_writes_nothing(server: Front, caller: Caller) -> None:
    left = caller(dry_run="true")
    assert (left.exit_code, left.result, server.writes) == (0, "planned", [])


@pytest.mark.parametrize(
    ("change", "code", "why"),
    [
        ({"burned": {"boot-v7"}}, 1, "tag_burned"),
        ({"changes_workflows": True}, 3, "workflow_scope"),
        ({"archived": True}, 3, "archived"),
        ({"token": "ghs_other"}, 3, "forbidden"),
        ({"upload_host": "https://uploads.evil.example"}, 1, "foreign_host"),
        ({"upload_host": "http://127.0.0.1:1"}, 1, "foreign_host"),
    ],
)
def test_refusals(github: GitHub, caller: Caller, change: dict[str, Any], code: int, why: str) -> None:
    for name, value in change.items():
        setattr(github, name, value)
    left = caller()
    assert (left.exit_code, left.why) == (code, why)
    assert not [held for held in github.releases.values() if not held.fields["draft"]]


def test_an_upload_that_github_half_stored(github: GitHub, caller: Caller) -> None:
    github.starter = 2
    assert caller().result == "published"
    assert set(github.assets("boot-v7")) == WANTED


def test_without_digests_every_asset_is_read_back(github: GitHub, caller: Caller, server: Front) -> None:
    github.digests = False
    assert caller().result == "published"
    assert sum("/content/" in entry.target for entry in server.journal) == len(WANTED)
    assert not any(entry.token for entry in server.journal if "/content/" in entry.target)


@pytest.mark.parametrize(
    ("tag", "is_one"), [("v1.0-rc1", True), ("v1.0-beta.2", True), ("v1-Alpha", True), ("arch-v1", False)]
)
def test_prereleases(github: GitHub, caller: Caller, tag: str, is_one: bool) -> None:
    caller.tag = tag
    assert caller().result == "published"
    (held,) = github.releases.values()
    assert held.fields["prerelease"] is is_one


def test_bad_settings_are_told_all_at_once_before_any_call(server: Front, caller: Caller) -> None:
    left = caller(files="out/nothing*\nout/*", commit="abc", replace="sometimes", release_tag="a..b", sign="pgp")
    assert left.exit_code == ExitCode.BAD_SETTINGS
    for name in ("commit", "replace", "release_tag", "sign"):
        assert f"title=Input {name}::" in left.log
    assert caller(files="").log.count("::error") == 1
    assert caller(files="out/nothing*").exit_code == ExitCode.BAD_SETTINGS
    assert server.journal == []


def test_no_token(server: Front, caller: Caller) -> None:
    left = caller(token="")
    assert (left.exit_code, left.why) == (3, "no_token")
    assert "contents: write" in left.log
    assert server.journal == []


def test_two_runs_at_once_make_one_release(github: GitHub, server: Front, tmp_path: Path) -> None:
    callers = [Caller(tmp_path / str(number), server.url) for number in range(4)]
    codes: list[int] = []
    threads = [threading.Thread(target=lambda caller=caller: codes.append(caller().exit_code)) for caller in callers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [0] * 4
    assert set(github.assets("boot-v7")) == WANTED
    assert len(github.releases) == 1


SECRET = "ghs_" + "SecretOfThisTest0123456789abcdefghij"


@contextmanager
def trap() -> Iterator[tuple[str, list[str]]]:
    """A foreign host that notes what it is sent."""
    got: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            got.append(f"{self.path} {dict(self.headers)}")
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"[]")

        do_GET = do_POST = do_PATCH = do_DELETE = _do  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{running.server_address[1]}", got
    finally:
        running.shutdown()
        running.server_close()


@pytest.mark.parametrize("how", ["absolute", "other_scheme", "userinfo"])
@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
def test_the_token_follows_no_redirect(
    method: str, status: int, how: str, github: GitHub, server: Front, caller: Caller, record_property: Any
) -> None:
    record_property("counted", "hostile forges")
    github.token = caller.token = SECRET
    real = server.backend
    with trap() as (evil, got):
        place = {"absolute": evil, "other_scheme": evil.replace("http:", "//", 1).replace("////", "//")}
        target = place.get(how, server.url.replace("http://", "http://x@"))

        def backend(request: Any) -> Response:
            hit = request.method == method and "/releases" in request.target
            return Response(status, b"", {"Location": f"{target}/x"}) if hit else real(request)

        server.backend = backend
        left = caller()
        assert left.exit_code in {1, 3}
        assert got == []
        assert SECRET not in left.log + left.summary + json.dumps(left.outputs)


def test_a_forge_that_echoes_the_token_does_not_make_it_public(server: Front, caller: Caller) -> None:
    caller.token = "plainwordsastoken"
    server.backend = lambda request: as_json(422, {"message": f"no: {request.headers['authorization']}\n::warning::x"})
    left = caller()
    assert left.exit_code == 3
    assert "plainwordsastoken" not in left.log + left.summary + json.dumps(left.outputs)
    assert "\n::warning" not in left.log


def test_asset_content_is_fetched_elsewhere_without_the_token(github: GitHub, server: Front, caller: Caller) -> None:
    github.digests, github.token = False, SECRET
    caller.token = SECRET
    real = server.backend
    with trap() as (other, got):

        def backend(request: Any) -> Response:
            answer = real(request)
            location = answer.headers.get("Location", "").replace(server.url, other)
            return Response(answer.status, answer.body, {"Location": location}) if location else answer

        server.backend = backend
        left = caller(timeout_minutes="1")
        assert left.exit_code == 3
        assert got
        assert SECRET not in "".join(got)


class TestShow:
    def run(self, server: Front, *more: str, env: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
        arguments = ["release", "show", "--json", "--server-url", server.url, "--forge", "github"]
        stdout = io.StringIO()
        given = {"GH_TOKEN": "ghs_right"} if env is None else env
        code = cli.main([*arguments, "--repository", "acme/images", "--release-tag", "boot-v7", *more], given, stdout)
        return code, json.loads(stdout.getvalue())

    def test_right(self, server: Front, caller: Caller, tmp_path: Path) -> None:
        caller()
        code, said = self.run(server, "--download", str(tmp_path / "dl"))
        assert (code, said["result"], said["commit"]) == (0, "right", COMMIT)
        assert {path.name: path.read_bytes() for path in (tmp_path / "dl").iterdir()}.items() >= FILES.items()
        assert self.run(server, "--download", str(tmp_path / "dl"))[0] == 2

    def test_missing_and_different(self, github: GitHub, server: Front, caller: Caller) -> None:
        caller()
        (held,) = github.releases.values()
        by_name = {asset["name"]: number for number, asset in held.assets.items()}
        del held.assets[by_name["boot.iso"]]
        held.assets[by_name["initrd.zst"]]["digest"] = "sha256:" + "0" * 64
        code, said = self.run(server)
        states = {row["name"]: row["state"] for row in said["assets"]}
        assert (code, states["boot.iso"], states["initrd.zst"], states["vmlinuz-x86_64"]) == (
            1,
            "missing",
            "different",
            "right",
        )

    def test_a_draft_is_not_shown(self, server: Front, caller: Caller) -> None:
        caller(publish="false")
        assert self.run(server, "--wait", "0")[0] == 4

    def test_unreachable(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            gone = Front.__new__(Front)
            gone.url = f"http://127.0.0.1:{free.getsockname()[1]}"
            assert self.run(gone, "--timeout-minutes", "0.01")[0] == 4

    @pytest.mark.parametrize("line", [f"{'0' * 64}  ../../x", f"{'0' * 64}  a\\b", "nonsense", f"{'0' * 64}  CON"])
    def test_hostile_sums(self, github: GitHub, server: Front, line: str, tmp_path: Path) -> None:
        github.tags["boot-v7"] = COMMIT
        github.add_asset(github.add("boot-v7", draft=False), "SHA256SUMS", f"{line}\n".encode())
        assert self.run(server, "--download", str(tmp_path / "dl"))[0] == 1
        assert list((tmp_path / "dl").iterdir()) == []


class TestSigned:
    def test_a_rerun_keeps_the_signature_that_its_key_made(
        self, github: GitHub, server: Front, caller: Caller, tmp_path: Path
    ) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (tmp_path / "key.pub").write_bytes(
            key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        )
        caller.env = {"SIGNING_KEY": pem.decode()}
        assert caller(sign="key").result == "published"
        assert set(github.assets("boot-v7")) == {*WANTED, "SHA256SUMS.sigstore.json"}
        assert caller(sign="key").result == "unchanged"
        show = TestShow()
        code, said = show.run(server, "--key", str(tmp_path / "key.pub"))
        assert (code, said["result"]) == (0, "right")
        (held,) = github.releases.values()
        number = next(number for number, asset in held.assets.items() if asset["name"] == "SHA256SUMS")
        held.content[number] = held.content[number].replace(b"boot.iso", b"boot.img")
        assert show.run(server, "--key", str(tmp_path / "key.pub"))[0] == 5

    def test_keyless_without_an_identity_fails_at_once(self, github: GitHub, server: Front, caller: Caller) -> None:
        """Nobody is asked to open a page, and nothing is published unsigned."""
        left = caller(sign="keyless")
        assert left.exit_code == 3, left.log
        assert "id-token: write" in left.log
        assert (github.releases, server.writes) == ({}, [])

    def test_no_key(self, server: Front, caller: Caller) -> None:
        left = caller(sign="key")
        assert left.exit_code == 3
        assert server.journal == []


class TestIndex:
    def test_the_record_goes_last_and_fits_together(self, github: GitHub, server: Front, caller: Caller) -> None:
        data = ROOT / "testkit" / "signing" / "data"
        for name in ("index.json", "ours.sigstore.json", "other.sigstore.json", "ours.intoto.sigstore.json"):
            (caller.folder / name).write_bytes((data / name).read_bytes())
        commits = {
            item["revision"]["commit"]
            for item in json.loads((data / "index.json").read_text())["images"]
            if item["revision"]
        }
        caller.commit = next(iter(commits), COMMIT)
        wrong = caller(index="index.json", bundle="other.sigstore.json")
        assert wrong.exit_code == ExitCode.SIGNATURE_WRONG
        assert caller(bundle="ours.sigstore.json").exit_code == ExitCode.BAD_SETTINGS
        if commits:
            assert caller(index="index.json", commit="b" * 40).exit_code == ExitCode.BAD_SETTINGS
        assert server.journal == []
        left = caller(index="index.json", bundle="ours.sigstore.json", attestation="ours.intoto.sigstore.json")
        assert left.result == "published"
        uploads = [entry.target.partition("name=")[2] for entry in server.journal if "/api/uploads/" in entry.target]
        assert uploads[-4:] == [
            "image-index.json",
            "image-index.json.sigstore.json",
            "image-index.json.intoto.sigstore.json",
            "SHA256SUMS",
        ]
        assert left.outputs["index_url"].endswith("/image-index.json")


class TestPolicy:
    """`release show` with a policy: what is on the release is signed, by whom it must be, or it is refused."""

    DATA = ROOT / "testkit" / "signing" / "data"
    KEYLESS = (
        *("--certificate-identity-regexp", world.POLICY, "--certificate-oidc-issuer", world.ISSUER),
        *("--trusted-root", str(world.KEPT / "trusted_root.json")),
    )

    def publish(self, caller: Caller, signer: str, **more: str) -> None:
        """An index with what signs it, and nothing else unless it is asked for."""
        for name in ("index.json", f"{signer}.sigstore.json", f"{signer}.intoto.sigstore.json"):
            (caller.folder / name).write_bytes((self.DATA / name).read_bytes())
        caller.commit = "c" * 40
        given = {"files": "", "index": "index.json", "bundle": f"{signer}.sigstore.json"}
        left = caller(**given, attestation=f"{signer}.intoto.sigstore.json", **more)
        assert left.result == "published", left.log

    @pytest.mark.parametrize(
        ("signer", "policy", "code"),
        [
            ("ours", KEYLESS, 0),
            ("evil", KEYLESS, 5),
            ("issuer", KEYLESS, 5),
            ("key", KEYLESS, 5),
            ("key", ("--key", str(world.KEPT / "key.pub")), 0),
            ("other-key", ("--key", str(world.KEPT / "key.pub")), 5),
        ],
    )
    def test_the_index(self, signer: str, policy: tuple[str, ...], code: int, server: Front, caller: Caller) -> None:
        self.publish(caller, signer)
        found, said = TestShow().run(server, *policy)
        assert (found, bool(said["signed_by"])) == (code, not code), said

    def test_what_is_not_signed_is_no_part_of_it(self, server: Front, caller: Caller) -> None:
        """Who may write the release, and has no key, can't add a file beside a signed index."""
        self.publish(caller, "ours")
        assert TestShow().run(server, *self.KEYLESS)[0] == 0
        caller.commit = "c" * 40
        left = caller(files="out/boot.iso", index="index.json", bundle="ours.sigstore.json", replace="always")
        assert left.exit_code == 0, left.log
        assert TestShow().run(server)[0] == 0
        code, said = TestShow().run(server, *self.KEYLESS)
        assert (code, said["signed_by"]) == (5, "")

    def test_an_index_of_a_newer_version(self, github: GitHub, server: Front, caller: Caller) -> None:
        self.publish(caller, "ours")
        whole, pem = {**world.document(), "schema": 2}, world.private_key()
        signer = sign.signer(Sign.KEY, {"SIGNING_KEY": pem})
        assert signer
        data = image_index.to_bytes(whole)
        bundle, statement = signer.sign(data, provenance.statement(whole, world.workflow()))
        sums = f"{hashlib.sha256(data).hexdigest()}  image-index.json\n".encode()
        wanted = {"image-index.json": data, BUNDLE_NAME: bundle, ATTESTATION_NAME: statement, "SHA256SUMS": sums}
        (held,) = github.releases.values()
        for number, asset in held.assets.items():
            held.content[number] = wanted[asset["name"]]
            asset["size"], asset["digest"] = (
                len(wanted[asset["name"]]),
                f"sha256:{hashlib.sha256(wanted[asset['name']]).hexdigest()}",
            )
        (caller.folder / "own.pub").write_bytes(world.public_key(pem))
        code, said = TestShow().run(server, "--key", str(caller.folder / "own.pub"))
        assert (code, said["signed_by"]) == (5, "")
        assert "isn't an index of ours: schema: " in said["reason"]

    @pytest.mark.parametrize("gone", [("ours.sigstore.json", "ours.intoto.sigstore.json")])
    def test_nothing_signs_it(self, gone: tuple[str, ...], github: GitHub, server: Front, caller: Caller) -> None:
        self.publish(caller, "ours")
        (held,) = github.releases.values()
        for number, asset in list(held.assets.items()):
            if "sigstore" in asset["name"]:
                del held.assets[number]
        sums = next(number for number, asset in held.assets.items() if asset["name"] == "SHA256SUMS")
        held.content[sums] = held.content[sums].splitlines(keepends=True)[0]
        assert TestShow().run(server)[0] == 0
        assert TestShow().run(server, *self.KEYLESS)[0] == 5

    @pytest.mark.parametrize(
        ("policy", "named"),
        [
            (("--certificate-oidc-issuer", "x"), "certificate_identity_regexp"),
            (("--certificate-identity-regexp", "("), "certificate_oidc_issuer"),
            (("--certificate-identity-regexp", "(", "--certificate-oidc-issuer", "x"), "certificate_identity_regexp"),
            (("--key", "x", "--certificate-oidc-issuer", "x"), "certificate_oidc_issuer"),
            (("--trusted-root", "x"), "certificate_identity_regexp"),
        ],
    )
    def test_a_policy_that_is_none(self, policy: tuple[str, ...], named: str, server: Front) -> None:
        code, said = TestShow().run(server, *policy)
        assert (code, server.journal) == (2, [])
        assert said["reason"].startswith(f"{named}: ")


def test_signed_keyless_by_a_sigstore_of_today(github: GitHub, server: Front, caller: Caller, tmp_path: Path) -> None:
    """`sign: keyless`, its rerun, and `release show` with the identity, against the Sigstore project's own mock."""
    if lacking := world.lacking():
        pytest.skip(lacking)
    with world.sigstore(tmp_path / "sigstore") as service:
        caller.env = service.environment()
        assert caller(sign="keyless").result == "published"
        assert set(github.assets("boot-v7")) == {*WANTED, "SHA256SUMS.sigstore.json"}
        assert caller(sign="keyless").result == "unchanged"
        policy = ("--certificate-oidc-issuer", world.ISSUER, "--trusted-root")
        root = str(service.folder / "trusted_root.json")
        for pattern, code in ((world.POLICY, 0), (world.POLICY.replace("o/r", "o/x"), 5)):
            found, said = TestShow().run(server, *policy, root, "--certificate-identity-regexp", pattern)
            assert (found, said["signed_by"]) == (code, "" if code else world.OURS), said
