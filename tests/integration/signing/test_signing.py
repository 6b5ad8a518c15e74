"""The action with `sign`: what is signed is what is published, and nothing is promoted or published unsigned."""

from __future__ import annotations

import base64
import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from replicator.__main__ import main
from replicator.commands.replicate import copy_image
from replicator.core.replicas import Sign
from replicator.index import image_index, provenance, seal
from replicator.index import sign as signing
from replicator.index.errors import UNSIGNED, CannotSign
from testkit.faults import refuse
from testkit.identity import OIDC, RESET, SECRET, Identity
from testkit.listening import listening
from testkit.places import ROOT
from testkit.signing import world
from testkit.signing.release import KEY, OUTPUTS, verify

if TYPE_CHECKING:
    from testkit.action import Action, Finished
    from testkit.identity import Answer


@pytest.fixture
def by_key(action: Action) -> Action:
    action.env |= {**world.workflow(), "SIGNING_KEY": KEY}
    return action


def statement(done: Finished) -> dict[str, Any]:
    envelope = json.loads(Path(done.outputs["attestation_path"]).read_text("utf-8"))["dsseEnvelope"]
    return dict(json.loads(base64.b64decode(envelope["payload"])))


def families(action: Action) -> set[str]:
    """Those that replicas carry."""
    found = [action.emulator.image("p1", f"web-1-{location}") or {} for location in ("eu", "asia")]
    return {image["family"] for image in found if image.get("family")}


class TestKey:
    def test_what_is_signed_is_what_is_there(self, by_key: Action, tmp_path: Path) -> None:
        done = by_key(sign="key")
        assert (done.exit_code, done.result) == (0, "complete")
        assert families(by_key) == {"web-eu", "web-asia"}
        code, said = verify(done, tmp_path)
        assert (code, done.outputs["index_digest"] in said) == (0, True), said
        assert KEY.splitlines()[1] not in done.log + done.summary + json.dumps(done.outputs)

    def test_the_statement_names_what_it_was_made_from(self, by_key: Action) -> None:
        done = by_key(sign="key", revision="auto")
        said = statement(done)
        predicate = said["predicate"]
        dependencies = predicate["buildDefinition"]["resolvedDependencies"]
        source = by_key.image("web-1")
        assert said["subject"] == [
            {"name": "image-index.json", "digest": {"sha256": done.outputs["index_digest"].removeprefix("sha256:")}}
        ]
        assert predicate["runDetails"]["builder"]["id"] == world.OURS
        assert (
            predicate["runDetails"]["metadata"]["invocationId"] == "https://github.com/o/r/actions/runs/99/attempts/2"
        )
        assert dependencies[0] == {"uri": "git+https://github.com/o/r@refs/tags/v1", "digest": {"gitCommit": "c" * 40}}
        assert dependencies[1]["name"] == "projects/p1/global/images/web-1"
        assert dependencies[1]["annotations"]["id"] == source["id"]
        assert predicate["buildDefinition"]["externalParameters"]["workflow"] == {
            "ref": "refs/tags/v1",
            "repository": "https://github.com/o/r",
            "path": ".github/workflows/release.yml",
        }

    def test_signed_before_the_first_family_moves(self, by_key: Action, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: list[set[str]] = []
        sign = signing.KeySigner.sign

        def watched(self: signing.KeySigner, data: bytes, statement: bytes) -> tuple[bytes, bytes]:
            seen.append(families(by_key))
            return sign(self, data, statement)

        monkeypatch.setattr(signing.KeySigner, "sign", watched)
        by_key(sign="key")
        assert seen == [set()]

    def test_the_same_bytes_as_unsigned_and_again(self, by_key: Action) -> None:
        runs = [by_key(sign="key"), by_key(), by_key(sign="key")]
        assert len({done.index for done in runs}) == 1
        assert [bool(done.outputs["bundle_path"]) for done in runs] == [True, False, True]

    def test_without_promotion(self, by_key: Action, tmp_path: Path) -> None:
        done = by_key(sign="key", promote="false")
        assert (verify(done, tmp_path)[0], families(by_key)) == (0, set())

    def test_a_file_for_the_key(self, by_key: Action, tmp_path: Path) -> None:
        (tmp_path / "key").write_text(KEY, "utf-8")
        by_key.env |= {"SIGNING_KEY": "", "SIGNING_KEY_FILE": str(tmp_path / "key")}
        assert verify(by_key(sign="key"), tmp_path)[0] == 0


class TestNothingUnsigned:
    """Whatever keeps a run from being signed: no family moves, and no index is output or written."""

    def check(self, action: Action, done: Finished) -> None:
        assert families(action) == set()
        assert {done.outputs[name] for name in OUTPUTS} == {""}
        assert done.index == b""

    def test_a_required_location_failed(self, by_key: Action) -> None:
        by_key.emulator.faults([refuse("web-1-eu")])
        done = by_key(sign="key", required_locations="eu")
        assert (done.exit_code, done.replicas["asia"]["reason"]) == (1, "required_failed")
        self.check(by_key, done)

    def test_a_best_effort_one_did(self, by_key: Action, tmp_path: Path) -> None:
        by_key.emulator.faults([refuse("web-1-eu")])
        done = by_key(sign="key")
        assert (done.result, families(by_key), verify(done, tmp_path)[0]) == ("partial", {"web-asia"}, 0)

    def test_nothing_was_made(self, by_key: Action) -> None:
        by_key.emulator.faults([refuse("web-1-(eu|asia)", code=412, reason="conditionNotMet")])
        done = by_key(sign="key")
        assert (done.exit_code, done.result) == (0, "failed")
        self.check(by_key, done)

    def test_the_signature_could_not_be_made(self, by_key: Action, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(signing.KeySigner, "sign", _refuse)
        done = by_key(sign="key")
        assert (done.exit_code, done.result) == (3, "failed")
        assert done.column("reason") == {"us": "", "eu": "unsigned", "asia": "unsigned"}
        assert ("error", UNSIGNED.title) in {(level, title) for level, title, _ in done.annotations}
        self.check(by_key, done)

    def test_a_dry_run_looks_for_the_key_and_signs_nothing(self, by_key: Action) -> None:
        done = by_key(sign="key", dry_run="true")
        assert (done.exit_code, done.result) == (0, "planned")
        self.check(by_key, done)

    def test_a_defect_of_one_location(self, by_key: Action, monkeypatch: pytest.MonkeyPatch) -> None:
        ready = copy_image.make_ready

        async def broken(session: Any, work: Any, sources: Any) -> Any:
            if work.replica.location == "eu":
                raise ZeroDivisionError
            return await ready(session, work, sources)

        monkeypatch.setattr("replicator.commands.replicate.copy_image.make_ready", broken)
        done = by_key(sign="key")
        assert (done.exit_code, done.replicas["asia"]["reason"]) == (70, "unsigned")
        self.check(by_key, done)


def _refuse(*_: object) -> tuple[bytes, bytes]:
    raise CannotSign(UNSIGNED, "No")


class TestAtOnce:
    """What can be known before anything is made is said before anything is made."""

    @pytest.mark.parametrize(
        ("sign", "env", "says"),
        [
            ("key", {}, "There is no key: neither of SIGNING_KEY and SIGNING_KEY_FILE is set"),
            ("key", {"SIGNING_KEY": KEY, "SIGNING_KEY_FILE": "/x"}, "Both SIGNING_KEY and SIGNING_KEY_FILE are given"),
            ("key", {"SIGNING_KEY": "hunter2"}, "SIGNING_KEY holds no private key in PEM"),
            ("key", {"SIGNING_KEY": world.private_key(ec.SECP384R1())}, "The key in SIGNING_KEY is not of the kind P-256"),
            ("key", {"SIGNING_KEY": world.private_key(password=b"x")}, "The key in SIGNING_KEY is encrypted"),
            ("key", {"SIGNING_KEY_FILE": "/nowhere"}, "SIGNING_KEY_FILE: '/nowhere' can't be read"),
            ("keyless", {"GITHUB_ACTIONS": "true"}, "the job has no right to an identity token"),
            ("keyless", {}, "there is no identity token here"),
            ("keyless", {"GITLAB_CI": "true"}, "a protected CI/CD variable SIGNING_KEY_FILE of the type File"),
            (
                "keyless",
                {"PROJECT_ID": "p", "BUILD_ID": "0f0e0d0c-0b0a-0908-0706-050403020100"},
                "`secretEnv: [SIGNING_KEY]` gives to the step",
            ),
            ("keyless", {"GITHUB_ACTIONS": "true", "FORGEJO_TOKEN": "x"}, "enable-openid-connect: true"),
            (
                "keyless",
                {"ACTIONS_ID_TOKEN_REQUEST_URL": "u", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t", "SIGSTORE_TRUST_CONFIG": "/x"},
                "SIGSTORE_TRUST_CONFIG: '/x' can't be read",
            ),
        ],
    )  # fmt: skip
    def test_no_call_is_made(self, action: Action, sign: str, env: dict[str, str], says: str) -> None:
        action.env |= env
        done = action(sign=sign)
        ((level, _, message),) = [item for item in done.annotations if item[0] == "error"]
        assert (done.exit_code, level, says in message) == (3, "error", True), message
        assert "hunter2" not in done.log + done.summary
        assert action.calls() == []

    def test_the_missing_lines_are_shown(self, action: Action) -> None:
        action.env |= {"GITHUB_ACTIONS": "true"}
        assert "id-token: write" in action(sign="keyless").log

    def test_an_unknown_word(self, action: Action) -> None:
        done = action(sign="yes")
        assert (done.exit_code, "'yes' is not one of off, keyless or key" in done.log) == (2, True)

    def test_without_the_packages(self, action: Action, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "sigstore", None)
        action.env |= {"ACTIONS_ID_TOKEN_REQUEST_URL": "u", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t"}
        done = action(sign="keyless")
        assert (done.exit_code, "needs the package sigstore" in done.log) == (3, True)


class TestKeyless:
    def test_from_the_run_to_the_consumer(self, action: Action, service: world.Sigstore, tmp_path: Path) -> None:
        action.env |= {**world.workflow(), **service.environment()}
        done = action(sign="keyless")
        assert (done.exit_code, done.result, families(action)) == (0, "complete", {"web-eu", "web-asia"})
        policy = ("--certificate-identity-regexp", world.POLICY, "--certificate-oidc-issuer", world.ISSUER)
        root = ("--trusted-root", str(service.folder / "trusted_root.json"))
        code, said = verify(done, tmp_path, *policy, *root)
        assert (code, world.OURS in said) == (0, True), said
        assert "eyJ" not in done.log

    @pytest.mark.parametrize(
        ("answers", "says"),
        [
            ([(401, SECRET)], "identity tokens gave none to sign with (HTTPError"),
            ([(200, f"<html>{SECRET}")], "identity tokens gave none to sign with (JSONDecodeError"),
            ([(200, "[]")], "identity tokens gave none to sign with (TypeError"),
            ([(302, "{}")], "identity tokens gave none to sign with (KeyError"),
            ([RESET], "identity tokens gave none to sign with (ConnectionError"),
            ([(200, json.dumps({"value": SECRET}))], "Sigstore could not sign (IdentityError"),
            ([], "Sigstore could not sign (FulcioClientError"),
        ],
        ids=["refused", "a page", "a list", "a redirect", "no answer", "a token that is none", "no Fulcio"],
    )
    def test_no_signature_after_all(self, action: Action, tmp_path: Path, answers: list[Answer], says: str) -> None:
        """Needs no Sigstore: nobody comes so far."""
        with Identity() as identity:
            (tmp_path / "trust.json").write_text(json.dumps(world.trusting(identity.url)), "utf-8")
            identity.answers[OIDC] = answers
            action.env |= {**identity.job(), "SIGSTORE_TRUST_CONFIG": str(tmp_path / "trust.json")}
            done = action(sign="keyless")
            assert identity.asked[OIDC] == 1
        assert (done.exit_code, says in done.log, families(action)) == (3, True, set()), done.log
        assert done.column("reason") == {"us": "", "eu": "unsigned", "asia": "unsigned"}
        assert SECRET not in done.log + done.summary + json.dumps(done.outputs)

    def test_nobody_else_is_asked_for_a_token(self) -> None:
        """Not even if the runner's service names another: the runner's own token would be taken along to some."""
        with listening(200, '{"value": "x"}') as (there, asked):
            with listening(302, Location=f"http://127.0.0.1:{there}/") as (here, _):
                env = {"ACTIONS_ID_TOKEN_REQUEST_URL": f"http://127.0.0.1:{here}/?x=y"}
                signer = signing.KeylessSigner({**env, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t"})
                with pytest.raises(CannotSign, match="gave none to sign with"):
                    signer.sign(b"", b"")
            assert asked == []

    @pytest.mark.parametrize(("private", "own", "warned"), [(True, False, 1), (False, False, 0), (True, True, 0)])
    def test_a_private_repository_is_warned_once(self, tmp_path: Path, private: bool, own: bool, warned: int) -> None:
        event = tmp_path / "event.json"
        event.write_text(json.dumps({"repository": {"private": private}}), "utf-8")
        env = {"GITHUB_EVENT_PATH": str(event), "GITHUB_REPOSITORY": "o/r", **world.workflow()}
        env |= {"ACTIONS_ID_TOKEN_REQUEST_URL": "u", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "t"}
        env |= {"SIGSTORE_TRUST_CONFIG": str(world.KEPT / "trusted_root.json")} if own else {}
        assert seal.disclosure(Sign.KEYLESS, env).count("o/r") == warned


def test_nobody_pays_for_what_is_not_asked_for() -> None:
    """Without `sign` the packages of keyless signing are neither installed nor imported."""
    plain, more = (_pinned(ROOT / "locks" / f"{name}.txt") for name in ("action", "sign"))
    assert plain < more
    assert {line.partition("==")[0] for line in more - plain} >= {"sigstore", "tuf"}
    assert "sigstore" not in {line.partition("==")[0] for line in plain}


def _pinned(lock: Path) -> set[str]:
    return {line.split()[0] for line in lock.read_text("utf-8").splitlines() if "==" in line.split(" ")[0]}


def test_a_child_is_the_index_of_one_architecture() -> None:
    whole = world.document()
    said = json.loads(provenance.statement(whole, {}))["predicate"]["runDetails"]
    assert [child["annotations"]["architecture"] for child in said["byproducts"]] == ["ARM64", "X86_64"]
    assert said["byproducts"][1]["digest"]["sha256"] == image_index.digest((world.KEPT / "child.json").read_bytes())[7:]
    assert said["builder"]["id"] == provenance.HOME


def test_a_child_is_the_index_of_one_variant() -> None:
    whole = world.document()
    entries = [{**whole["images"][0], "variant": variant} for variant in ("lts", "rolling")]
    whole = {**whole, "images": entries}
    children = json.loads(provenance.statement(whole, {}))["predicate"]["runDetails"]["byproducts"]
    assert [child["digest"]["sha256"] for child in children] == [
        image_index.digest(image_index.to_bytes({**whole, "images": [entry]}))[7:] for entry in entries
    ]


def test_a_signer_for_each_word() -> None:
    assert signing.signer(Sign.OFF, {}) is None
    assert isinstance(signing.signer(Sign.KEY, {"SIGNING_KEY": KEY}), signing.KeySigner)


class TestThenTheImages:
    """`verify` with a signature and the live API: of an index that is not believed nothing is asked for."""

    def online(self, action: Action, done: Finished, tmp_path: Path, key: str) -> tuple[int, dict[str, Any], int]:
        (tmp_path / "key.pub").write_bytes(world.public_key(key))
        env = {
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": action.emulator.url,
            "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        }
        files = ("--index", done.outputs["index_path"], "--bundle", done.outputs["bundle_path"])
        before, stdout = len(action.calls()), io.StringIO()
        code = main(["verify", "--json", *files, "--key", str(tmp_path / "key.pub")], env, stdout)
        return code, json.loads(stdout.getvalue()), len(action.calls()) - before

    def test_all_is_well(self, by_key: Action, tmp_path: Path) -> None:
        done = by_key(sign="key")
        code, found, calls = self.online(by_key, done, tmp_path, KEY)
        assert (code, found["signed"]["digest"], len(found["findings"])) == (0, done.outputs["index_digest"], 3)
        # One list of the project, and one policy for each image that is said to be public.
        assert calls == 1 + 3

    def test_signed_and_no_longer_true(self, by_key: Action, tmp_path: Path) -> None:
        done = by_key(sign="key")
        by_key.emulator.delete_image("p1", "web-1-eu")
        code, found, _ = self.online(by_key, done, tmp_path, KEY)
        assert (code, found["result"], bool(found["signed"])) == (1, "wrong", True)

    def test_another_key(self, by_key: Action, tmp_path: Path) -> None:
        code, found, calls = self.online(by_key, by_key(sign="key"), tmp_path, world.private_key())
        assert (code, found["result"], found["signed"], found["findings"], calls) == (5, "error", None, [], 0)
