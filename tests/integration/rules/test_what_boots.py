"""Rule 16: a replica that differs from its source in what decides what boots is never called verified."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from replicator.__main__ import main
from testkit.conformance.events import changed
from testkit.signing.release import KEY, Release

if TYPE_CHECKING:
    from pathlib import Path

    from emulator.compute.state import Change
    from emulator.testing import Running
    from testkit.action import Action

STATE = {"pk": {"content": "cGs=", "fileType": "X509"}, "dbs": [{"content": "ZGI=", "fileType": "X509"}]}
SPOILED: dict[str, dict[str, Any]] = {
    "shieldedInstanceInitialState.pk": {
        "shieldedInstanceInitialState": {**STATE, "pk": {"content": "ZXZpbA==", "fileType": "X509"}}
    },
    "shieldedInstanceInitialState.dbs": {
        "shieldedInstanceInitialState": {**STATE, "dbs": [*STATE["dbs"], {"content": "ZXZpbA==", "fileType": "BIN"}]}
    },
    "shieldedInstanceInitialState.dbxs": {
        "shieldedInstanceInitialState": {**STATE, "dbxs": [{"content": "ZXZpbA==", "fileType": "BIN"}]}
    },
    "enableConfidentialCompute": {"enableConfidentialCompute": False},
    "licenseCodes": {"licenseCodes": ["7"]},
    "licenses": {"licenses": []},
    "architecture": {"architecture": "ARM64"},
    "guestOsFeatures": {"guestOsFeatures": [{"type": "GVNIC"}]},
    "diskSizeGb": {"diskSizeGb": "21"},
}
SEALED = {
    "shieldedInstanceInitialState": STATE,
    "enableConfidentialCompute": True,
    "licenseCodes": ["7", "42"],
}


@pytest.fixture
def sealed(action: Action) -> Action:
    changed(action.emulator, "web-1", **SEALED)
    return action


def spoil_copies(emulator: Running, fields: dict[str, Any]) -> None:
    """From now on copies in eu come out with these fields."""
    state = emulator.compute.state
    commit = state.commit

    def spoiled(change: Change) -> None:
        commit(
            replace(
                change,
                images=tuple(
                    replace(image, fields={**image.fields, **fields}) if image.name.endswith("-eu") else image
                    for image in change.images
                ),
            )
        )

    emulator.run(lambda: setattr(state, "commit", spoiled))


def test_a_right_copy_of_it_is_verified(sealed: Action) -> None:
    assert sealed().result == "complete"
    assert sealed().column("outcome") == {"us": "source", "eu": "adopted", "asia": "adopted"}


@pytest.mark.parametrize("field", SPOILED)
class TestEachField:
    def test_made(self, sealed: Action, field: str) -> None:
        spoil_copies(sealed.emulator, SPOILED[field])
        self.refused(sealed, field, opened=False)

    def test_adopted(self, sealed: Action, field: str) -> None:
        assert sealed().result == "complete"
        changed(sealed.emulator, "web-1-eu", **SPOILED[field])
        self.refused(sealed, field, opened=True)

    @pytest.mark.exhaustive
    def test_repaired(self, sealed: Action, field: str) -> None:
        assert sealed(access="private").result == "complete"
        changed(sealed.emulator, "web-1-eu", description="other", family="", **SPOILED[field])
        self.refused(sealed, field, opened=False)

    def refused(self, action: Action, field: str, *, opened: bool) -> None:
        done = action()
        assert done.replicas["eu"]["reason"] == "drift"
        assert field in done.replicas["eu"]["message"]
        assert "eu" not in done.images
        assert bool(action.emulator.policy("p1", "web-1-eu").get("bindings")) is opened
        assert done.column("outcome")["asia"] in {"created", "adopted", "repaired"}

    @pytest.mark.parametrize("by", ["index", "settings"])
    def test_verified(self, sealed: Action, field: str, by: str) -> None:
        assert sealed().result == "complete"
        changed(sealed.emulator, "web-1-eu", **SPOILED[field])
        index = str(sealed.folder / "temp1" / "image-index.json")
        argv = ["--index", index] if by == "index" else ["--source-image", "projects/p1/global/images/web-1"]
        env = {
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": sealed.emulator.url,
            "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        }
        stdout = io.StringIO()
        assert main(["verify", "--json", *argv], env, stdout) == 1
        states = {item["location"]: item for item in json.loads(stdout.getvalue())["findings"]}
        assert {place: item["state"] for place, item in states.items()} == {
            "us": "correct",
            "eu": "drifted",
            "asia": "correct",
        }
        assert [change["field"] for change in states["eu"]["differences"]] == [field]

    @pytest.mark.exhaustive
    def test_merged(self, action: Action, tmp_path: Path, field: str) -> None:
        action.emulator.delete_image("p1", "web-1")
        action.env["SIGNING_KEY"] = KEY
        release = Release(action, tmp_path / "fragments", "off")
        release.build_all()
        different = {"guestOsFeatures": [{"type": "WINDOWS"}]} if field == "guestOsFeatures" else SPOILED[field]
        spoil = {"architecture": "X86_64"} if field == "architecture" else different
        if field in {"licenses", "licenseCodes", "enableConfidentialCompute"}:
            changed(action.emulator, "web-b", **{**SEALED, "licenses": ["projects/p/global/licenses/l"]})
        changed(action.emulator, "web-b-eu", **spoil)
        done = release.merge()
        assert done.exit_code == 1, done.log
        assert field in done.log
        assert not action.image("web-a-eu").get("family")


def test_a_source_that_was_replaced_says_nothing_of_copies(sealed: Action) -> None:
    assert sealed(home_copy="true").result == "complete"
    sealed.emulator.delete_image("p1", "web-1")
    sealed.emulator.add_image(project="p1", name="web-1", architecture="ARM64")
    env = {
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": sealed.emulator.url,
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
    }
    index = str(sealed.folder / "temp1" / "image-index.json")
    assert main(["verify", "--index", index], env, io.StringIO()) == 0
