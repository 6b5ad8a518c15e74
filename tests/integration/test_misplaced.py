"""Tests that a secret in the wrong place is shown nowhere, and is no defect: every input, and variables, each secret."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from replicator import cli
from replicator.__main__ import main
from replicator.bootstrap.command import every, load
from replicator.bootstrap.decide import INPUTS
from testkit.places import right_inputs
from testkit.texts.misplaced import SECRETS, tells
from testkit.tiers import few

if TYPE_CHECKING:
    from pathlib import Path

ACTIONS = {command.verb: command for command in every() if command.action}
PLACES = [
    pytest.param(verb, name, id=f"{verb}: {name}")
    for verb, command in ACTIONS.items()
    for name in dict.fromkeys((*load(command.settings).model_fields, *(INPUTS[:2] if command.gated else ())))
]
#: What is right elsewhere, so that the secret is what is wrong.
BESIDE = right_inputs()
#: Every kind of secret is tried in the inputs of these, few in those of the others.
MOST = {"replicate", "merge", "verify"}
VARIABLES = [
    "GOOGLE_CLOUD_PROJECT",
    "CLOUDSDK_CORE_PROJECT",
    "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "SIGNING_KEY_FILE",
    "SIGSTORE_TRUST_CONFIG",
]


def left(folder: Path, argv: list[str], env: dict[str, str]) -> tuple[int, str]:
    """The exit code, and all that was written anywhere."""
    stdout = io.StringIO()
    places = {"GITHUB_OUTPUT": "output", "GITHUB_STEP_SUMMARY": "summary", "RUNNER_TEMP": "", "GITHUB_WORKSPACE": ""}
    dead = {
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": "http://127.0.0.1:1",
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
    }
    event = {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/tags/v1", "GITHUB_ACTIONS": "true"}
    paths = {name: str(folder / place) for name, place in places.items()}
    code = main(argv, {**paths, **dead, **event, **env}, stdout)
    return code, stdout.getvalue() + "".join(path.read_text("utf-8") for path in folder.iterdir() if path.is_file())


#: Each kind is tried with the first three actions, mostly by `make test-all`; the others' inputs are read by the same code.
FEW = ("PEM in one line", "GitHub", "in a URL")


@pytest.mark.parametrize("kind", few(SECRETS, *FEW))
@pytest.mark.parametrize(("verb", "name"), [case for case in PLACES if case.values[0] in MOST])
def test_an_input(tmp_path: Path, verb: str, name: str, kind: str) -> None:
    misplaced(tmp_path, verb, name, kind)


@pytest.mark.parametrize("kind", FEW)
@pytest.mark.parametrize(("verb", "name"), [case for case in PLACES if case.values[0] not in MOST])
def test_an_input_of_another_action(tmp_path: Path, verb: str, name: str, kind: str) -> None:
    misplaced(tmp_path, verb, name, kind)


def misplaced(tmp_path: Path, verb: str, name: str, kind: str) -> None:
    # Nothing is reached, so a value that is taken must be refused by what comes next: there is no such file or source.
    secret = SECRETS[kind]
    given = {**BESIDE.get(verb, {}), name: secret}
    if name == "packer_manifest":
        del given["source_image"]
    if name == "project_id":
        given["source_image"] = "web-1"
    if name == "certificate_identity_regexp":
        given |= {"bundle": "bundle.json", "certificate_oidc_issuer": "https://example.com"}
    env = {f"INPUT_{place.upper()}": value for place, value in given.items()}
    env |= {"GITHUB_SERVER_URL": "http://127.0.0.1:1", "GITHUB_REPOSITORY": "acme/images"}
    (tmp_path / "artifact").write_text("x", "utf-8")
    code, text = left(
        tmp_path,
        [] if verb == "replicate" else ["action", verb.partition(" ")[0]],
        {**env, "INPUT_TIMEOUT_MINUTES": "0"},
    )
    assert code in {2, 3, 4, 5}, text
    assert tells(secret, text) == []
    assert "Traceback" not in text


@pytest.mark.parametrize("kind", SECRETS)
@pytest.mark.parametrize("name", VARIABLES)
def test_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: str) -> None:
    secret = SECRETS[kind]
    env = {"INPUT_SOURCE_IMAGE": "web-1", "GOOGLE_CLOUD_PROJECT": "p1"}
    if name.startswith("CLOUDSDK_CORE"):
        del env["GOOGLE_CLOUD_PROJECT"]
    if name == "GOOGLE_APPLICATION_CREDENTIALS":
        env["CLOUDSDK_AUTH_DISABLE_CREDENTIALS"] = ""
        monkeypatch.setenv(name, secret)
    if name == "SIGNING_KEY_FILE":
        env["INPUT_SIGN"] = "key"
    if name == "SIGSTORE_TRUST_CONFIG":
        env |= {"INPUT_SIGN": "keyless", "ACTIONS_ID_TOKEN_REQUEST_URL": "http://127.0.0.1:1"}
        env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = "x"
    code, text = left(tmp_path, [], {**env, name: secret})
    assert code in {2, 3}, text
    assert tells(secret, text) == []
    assert "Traceback" not in text


@pytest.mark.parametrize("kind", SECRETS)
@pytest.mark.parametrize("argv", [["@"], ["plan", "@"], ["plan", "--locatons", "@"], ["plan", "--locatons=@"]])
def test_an_argument(capsys: pytest.CaptureFixture[str], argv: list[str], kind: str) -> None:
    secret, stdout = SECRETS[kind], io.StringIO()
    assert cli.main([word.replace("@", secret) for word in argv], {}, stdout) == 2
    assert tells(secret, stdout.getvalue() + "".join(capsys.readouterr())) == []
