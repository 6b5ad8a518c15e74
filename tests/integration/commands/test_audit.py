"""`replicator verify`: each state, each difference, both ways of saying what is wanted."""

from __future__ import annotations

import io
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import google.auth
import pytest
from google.auth.exceptions import DefaultCredentialsError

from replicator.__main__ import main
from replicator.replicas import audit
from replicator.replicas.audit import Finding, State
from testkit.faults import refuse
from testkit.tiers import few

if TYPE_CHECKING:
    from testkit.action import Action, Finished

SOURCE = ("--source-image", "projects/p1/global/images/web-1")
FOREIGN = {"source_image": None, "source_image_id": None}


ORIGIN = '{"project": "p1/x y", "name": "a", "id": "1", "uri": "u", "storage_location": "", "family": null}'
BAD_PROJECT = (
    '{"schema": 1, "images": [{"architecture": "", "variant": "", "revision": null, "source": '
    + ORIGIN
    + ', "wanted_locations": [], "locations": {}}]}'
)


@pytest.fixture
def made(action: Action) -> Finished:
    return action()


def verify(action: Action, *argv: str, env: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    stdout = io.StringIO()
    variables = {
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": action.emulator.url,
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        **(env or {}),
    }
    before = len(action.mutations())
    code = main(["verify", "--json", *argv], variables, stdout)
    assert len(action.mutations()) == before
    document = json.loads(stdout.getvalue())
    return code, {
        "result": document["result"],
        "states": {item["location"]: item["state"] for item in document["findings"]},
        "fields": {
            item["location"]: [change["field"] for change in item["differences"]] for item in document["findings"]
        },
        "changes": {
            item["location"]: [(change["field"], change["wanted"], change["found"]) for change in item["differences"]]
            for item in document["findings"]
        },
        "messages": {item["location"]: item["message"] for item in document["findings"]},
        "problems": document.get("problems", []),
    }


def index_of(action: Action) -> str:
    return str(action.folder / "temp1" / "image-index.json")


@pytest.mark.parametrize("by", ["index", "settings"])
class TestBothWays:
    def argv(self, action: Action, by: str) -> tuple[str, ...]:
        return ("--index", index_of(action)) if by == "index" else SOURCE

    def test_correct(self, action: Action, made: Finished, by: str) -> None:
        code, found = verify(action, *self.argv(action, by))
        assert (code, found["result"]) == (0, "correct")
        assert set(found["states"].values()) == {"correct"}
        assert set(found["states"]) == {"us", "eu", "asia"}

    def test_missing(self, action: Action, made: Finished, by: str) -> None:
        action.emulator.delete_image("p1", "web-1-eu")
        code, found = verify(action, *self.argv(action, by))
        assert (code, found["states"]["eu"], found["states"]["asia"]) == (1, "missing", "correct")

    def test_drifted(self, action: Action, made: Finished, by: str) -> None:
        action.emulator.run(lambda: action.emulator.compute.state.image("p1", "web-1-eu", 9e9).labels.clear())  # type: ignore[union-attr]
        code, found = verify(action, *self.argv(action, by))
        assert (code, found["states"]["eu"], found["fields"]["eu"]) == (1, "drifted", ["labels.team"])

    def test_another_image_under_the_name(self, action: Action, made: Finished, by: str) -> None:
        action.emulator.delete_image("p1", "web-1-eu")
        action.emulator.add_image(project="p1", name="web-1-eu", location="eu")
        code, found = verify(action, *self.argv(action, by))
        assert (code, found["states"]["eu"]) == (1, "drifted")
        assert "sourceImageId" in found["fields"]["eu"]

    def test_not_promoted(self, action: Action, made: Finished, by: str) -> None:
        action.emulator.delete_image("p1", "web-1-eu")
        action(promote="false")
        argv = ("--index", str(action.folder / "temp2" / "image-index.json")) if by == "index" else SOURCE
        code, found = verify(action, *argv)
        assert (code, found["states"]["eu"], found["fields"]["eu"]) == (1, "not_promoted", ["family"])

    def test_unreachable_is_not_missing(self, action: Action, made: Finished, by: str) -> None:
        action.emulator.faults([refuse("", method="list"), *[refuse("-eu", method="get")] * (by == "index")])
        code, found = verify(action, *self.argv(action, by))
        assert (code, found["states"]["eu"]) == (4, "unreachable")

    def test_nobody_answers(self, action: Action, made: Finished, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("replicator.compute.lookup.PATIENCE", 0.0)
        action.emulator.faults([{"times": None, "action": {"kind": "drop", "how": "close"}}])
        code, found = verify(action, *self.argv(action, by))
        assert code == 4
        assert found["problems"] or set(found["states"].values()) == {"unreachable"}


def test_private_instead_of_public(action: Action, made: Finished) -> None:
    index = json.loads(Path(index_of(action)).read_text())
    action.emulator.delete_image("p1", "web-1-eu")
    action(access="private")
    index["images"][0]["locations"]["eu"]["id"] = action.image("web-1-eu")["id"]
    path = action.folder / "index.json"
    path.write_text(json.dumps(index))
    code, found = verify(action, "--index", str(path))
    assert (code, found["fields"]["eu"]) == (1, ["access"])


def test_unproven(action: Action) -> None:
    action.emulator.add_image(
        project="p1", name="web-1-eu", location="eu", source_image="projects/p1/global/images/gone", source_image_id="7"
    )
    code, found = verify(action, *SOURCE)
    assert (code, found["states"]["eu"], found["fields"]["eu"]) == (1, "unproven", ["sourceImageId"])


@pytest.mark.parametrize(
    ("existing", "changes"),
    [
        (FOREIGN, [("sourceImageId", "{id}", "nothing")]),
        ({**FOREIGN, "location": "us"}, [("sourceImageId", "{id}", "nothing"), ("storageLocations", "eu", "us")]),
        ({"location": "europe-west1"}, [("storageLocations", "eu", "europe-west1")]),
        ({"status": "FAILED"}, [("status", "READY", "FAILED")]),
        ({"status": "PENDING"}, [("status", "READY", "PENDING")]),
        ({"deprecated": {"state": "OBSOLETE"}}, [("deprecated", "(empty)", "OBSOLETE")]),
        ({"disk_size_gb": 50}, [("diskSizeGb", "20", "50")]),
    ],
    ids=["foreign", "foreign and elsewhere", "elsewhere", "failed", "pending", "obsolete", "content"],
)  # fmt: skip
def test_what_is_wrong_is_said_by_field(
    action: Action, source: dict[str, Any], existing: dict[str, Any], changes: list[tuple[str, str, str]]
) -> None:
    action.emulator.add_image(
        **{
            "project": "p1",
            "name": "web-1-eu",
            "location": "eu",
            "disk_size_gb": 20,
            "guest_os_features": ["UEFI_COMPATIBLE", "GVNIC"],
            "licenses": source["licenses"],
            "source_image": "projects/p1/global/images/web-1",
            "source_image_id": source["id"],
            **existing,
        }
    )
    code, found = verify(action, *SOURCE)
    assert (code, found["states"]["eu"]) == (1, "drifted")
    assert found["changes"]["eu"] == [(field, wanted.format(id=source["id"]), now) for field, wanted, now in changes]


def test_a_location_that_was_never_made(action: Action) -> None:
    action.emulator.faults([refuse("web-1-asia")])
    action()
    action.emulator.faults([])
    code, found = verify(action, "--index", index_of(action))
    assert (code, found["states"]) == (1, {"us": "correct", "eu": "correct", "asia": "missing"})


def test_a_label_without_value_is_missed_too(action: Action) -> None:
    action(labels="empty=")
    action.emulator.run(lambda: action.emulator.compute.state.image("p1", "web-1-eu", 9e9).labels.pop("empty"))  # type: ignore[union-attr]
    code, found = verify(action, "--index", index_of(action))
    assert (code, found["fields"]["eu"]) == (1, ["labels.empty"])


def test_calls_of_an_index(action: Action, made: Finished) -> None:
    before = len(action.emulator.journal())
    verify(action, "--index", index_of(action))
    verbs = [call["method"].split(".")[-1] for call in action.emulator.journal()[before:]]
    assert sorted(verbs) == ["getIamPolicy"] * 3 + ["list"]


class TestForeign:
    """Someone else's project: public images can be read one by one, and nothing else."""

    def play(self, action: Action) -> tuple[int, dict[str, Any], Counter[str]]:
        action.emulator.faults([refuse("", method="list")])
        before = len(action.emulator.journal())
        code, found = verify(action, "--index", index_of(action))
        verbs = Counter(call["method"].split(".")[-1] for call in action.emulator.journal()[before:])
        assert verbs["getIamPolicy"] == 0
        action.emulator.faults([])
        return code, found, verbs

    def test_correct(self, action: Action, made: Finished) -> None:
        code, found, verbs = self.play(action)
        assert (code, set(found["states"].values())) == (0, {"correct"})
        assert verbs == {"list": 1, "get": 3}

    def test_missing_and_drifted(self, action: Action, made: Finished) -> None:
        action.emulator.delete_image("p1", "web-1-eu")
        action.emulator.delete_image("p1", "web-1-asia")
        action.emulator.add_image(project="p1", name="web-1-asia", location="asia")
        code, found, _ = self.play(action)
        assert (code, found["states"]) == (1, {"us": "correct", "eu": "missing", "asia": "drifted"})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "can't be read"),
        ("{", "isn't an index of ours"),
        ('{"schema": 2, "images": []}', "schema"),
        ('{"schema": 1, "images": []}', "images"),
        ('{"schema": 1, "images": [{"x": 1}]}', "images.0"),
        (BAD_PROJECT, "can't be a project and an image"),
        (BAD_PROJECT.replace("p1/x y", "p1"), "'u' is not the uri of 'a' in 'p1'"),
    ],
)
def test_bad_index(action: Action, tmp_path: Path, text: str | None, says: str) -> None:
    if text is not None:
        (tmp_path / "i.json").write_text(text)
    code, found = verify(action, "--index", str(tmp_path / "i.json"))
    assert code == 2
    assert says in found["problems"][0]


def test_bad_settings_and_source(action: Action) -> None:
    assert verify(action, *SOURCE, "--locations", "EU")[0] == 2
    assert verify(action, "--source-image", "projects/p1/global/images/none")[0] == 3


@pytest.mark.parametrize("by", ["index", "settings"])
class TestNobodyCanTell:
    def test_without_credentials(
        self, action: Action, made: Finished, by: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def none(**_: object) -> None:
            raise DefaultCredentialsError("None were found")  # type: ignore[no-untyped-call]

        monkeypatch.setattr(google.auth, "default", none)
        argv = ("--index", index_of(action)) if by == "index" else SOURCE
        code, found = verify(action, *argv, env={"CLOUDSDK_AUTH_DISABLE_CREDENTIALS": ""})
        assert (code, found["result"]) == (3, "error")
        assert found["problems"][0].startswith("No Application Default Credentials were found. ")

    def test_it_takes_too_long(self, action: Action, made: Finished, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("replicator.commands.verify.run._MINUTES", 0)
        busy = {"kind": "http", "code": 429, "reason": "rateLimitExceeded", "message": "Slower"}
        action.emulator.faults([{"times": None, "action": busy}])
        argv = ("--index", index_of(action)) if by == "index" else SOURCE
        code, found = verify(action, *argv)
        assert code == 4
        assert "the 0 minutes of a verification would pass before the next try (rate: Slower)" in found["problems"][0]


def test_a_defect_is_no_drift(action: Action, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("replicator.commands.verify.run.survey", lambda *_: 1 / 0)
    code, found = verify(action, *SOURCE)
    assert (code, found["result"]) == (70, "error")
    assert "ZeroDivisionError" in found["problems"][0]


def test_for_people(action: Action, made: Finished, tmp_path: Path) -> None:
    """A publisher runs the same again; one who deploys has no settings, and tells the publisher."""
    action.emulator.delete_image("p1", "web-1-eu")
    stdout = io.StringIO()
    env = {
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": action.emulator.url,
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
    }
    assert main(["verify", *SOURCE, "--labels=a=b"], env, stdout) == 1
    lines = stdout.getvalue().splitlines()
    assert lines[-5] == "1 correct, 1 drifted, 1 missing"
    assert lines[-4].startswith("Run the replication again with the same settings")
    assert lines[-3:] == [
        "gce-image-replicator plan \\",
        f"  --source-image={SOURCE[1]} \\",
        "  --labels=a=b",
    ]
    (tmp_path / "index").write_bytes(made.index)
    deployed = io.StringIO()
    assert main(["verify", "--index", str(tmp_path / "index")], env, deployed) == 1
    said = deployed.getvalue().splitlines()[-2:]
    assert said[0].startswith("Deploy none of these images. Their publisher should run the replication again")
    assert said[1] == f"gce-image-replicator plan --source-image={SOURCE[1]}"
    assert lines[1].split() == ["eu", "X86_64", "missing", "projects/p1/global/images/web-1-eu"]


def test_exit_codes() -> None:
    def code(*states: State) -> int:
        return audit.exit_code(Finding(location="eu", uri="", state=state, architecture="") for state in states)

    assert code(State.CORRECT) == 0
    assert code(State.CORRECT, State.UNREACHABLE) == 4
    assert code(State.UNREACHABLE, State.MISSING) == 1
    assert {code(state) for state in State} == {0, 1, 4}


@pytest.mark.parametrize("by", few(["index", "settings"], "index"))
@pytest.mark.parametrize("refuse_it", [False, True])
class TestHeldBack:
    """A release that its publisher marked DEPRECATED: reported, and drift where it is to be refused."""

    def argv(self, action: Action, by: str, refuse_it: bool) -> tuple[str, ...]:
        given = ("--index", index_of(action)) if by == "index" else SOURCE
        return (*given, *(["--refuse-deprecated"] if refuse_it else []))

    def mark(self, action: Action, name: str) -> None:
        def mark() -> None:
            image = action.emulator.compute.state.image("p1", name, 9e9)
            assert image is not None
            assert isinstance(image.fields, dict)
            image.fields["deprecated"] = {"state": "DEPRECATED"}

        action.emulator.run(mark)

    def test_a_replica(self, action: Action, made: Finished, by: str, refuse_it: bool) -> None:
        self.mark(action, "web-1-eu")
        code, found = verify(action, *self.argv(action, by, refuse_it))
        assert (code, found["result"]) == ((1, "wrong") if refuse_it else (0, "correct"))
        assert found["changes"]["eu"] == ([("deprecated", "(empty)", "DEPRECATED")] if refuse_it else [])
        assert found["states"]["asia"] == "correct"
        assert found["messages"]["eu"] == (
            "" if refuse_it else "projects/p1/global/images/web-1-eu is marked DEPRECATED."
        )

    def test_the_source_alone(self, action: Action, made: Finished, by: str, refuse_it: bool) -> None:
        """Rolled back by hand, say: each location is of a release that is held back."""
        self.mark(action, "web-1")
        code, found = verify(action, *self.argv(action, by, refuse_it))
        assert code == refuse_it
        fields = {"us": ["deprecated"], "eu": ["source.deprecated"], "asia": ["source.deprecated"]}
        assert found["fields"] == (fields if refuse_it else {place: [] for place in fields})
        if not refuse_it:
            assert found["messages"]["eu"] == "Its source projects/p1/global/images/web-1 is marked DEPRECATED."

    def test_nobody_held_anything_back(self, action: Action, made: Finished, by: str, refuse_it: bool) -> None:
        code, found = verify(action, *self.argv(action, by, refuse_it))
        assert (code, set(found["messages"].values())) == (0, {""})


def test_a_wrong_word_for_refusing(action: Action) -> None:
    code, found = verify(action, *SOURCE, "--refuse-deprecated", "maybe")
    assert (code, found["problems"]) == (2, ["refuse_deprecated: 'maybe' is not one of true, false"])


def test_another_image_is_told_as_that(action: Action, made: Finished) -> None:
    """Not in the tone of a changed label."""
    action.emulator.delete_image("p1", "web-1-eu")
    action.emulator.add_image(project="p1", name="web-1-eu", location="eu", created=1767225600)
    _, found = verify(action, "--index", index_of(action))
    assert found["messages"]["eu"] == "Another image has its name now, made 2026-01-01 00:00 UTC."


def test_a_source_in_several_locations(action: Action, made: Finished) -> None:
    """It serves each of them itself, so that its own entry is right in each; a copy is stored in one."""
    document = json.loads(Path(index_of(action)).read_text())
    served = document["images"][0]["locations"]
    served["eu"] = served["us"]
    path = action.folder / "index.json"
    path.write_text(json.dumps(document))

    def spread() -> None:
        for name in ("web-1", "web-1-asia"):
            image = action.emulator.compute.state.image("p1", name, 9e9)
            assert image is not None
            assert isinstance(image.fields, dict)
            image.fields["storageLocations"] = ["us", "eu", "asia"]

    assert verify(action, "--index", str(path))[1]["fields"] == {"us": [], "eu": ["storageLocations"], "asia": []}
    action.emulator.run(spread)
    assert verify(action, "--index", str(path))[1]["fields"] == {"us": [], "eu": [], "asia": ["storageLocations"]}


def test_home_is_verified_too(action: Action) -> None:
    """A private source that serves home while replicas are to be public is what is missing at home."""
    action.emulator.add_image(project="p1", name="priv", family="web")
    source = ("--source-image", "projects/p1/global/images/priv", "--access", "public")
    action(source_image=source[1], access="public")
    assert verify(action, *source)[0] == 0
    action.emulator.delete_image("p1", "priv-us")
    code, found = verify(action, *source)
    assert (code, found["states"]) == (1, {"us": "missing", "eu": "correct", "asia": "correct"})
