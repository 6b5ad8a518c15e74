"""Scenarios: read strictly, and put in force."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from emulator import scenario
from emulator.scenario import BadScenario, Scenario, Switches
from emulator.testing import running
from tests.emulator.conftest import Client

ROOT = Path(__file__).parents[2]
HERE = """
images:
  - {project: p1, name: base, status: PENDING}
  - project: p1
    name: web
    family: web
    location: eu
    labels: {a: b}
    description: d
    disk_size_gb: 20
    architecture: ARM64
    guest_os_features: [GVNIC]
    licenses: [https://www.googleapis.com/compute/v1/projects/l/global/licenses/l]
    public: true
    source_image: projects/p0/global/images/x
    deprecated: {state: DEPRECATED}
copy_seconds: {us: 3, europe-west1: 0.5}
principals:
  reader: [compute.images.get]
  secret: {name: ci, permissions: [compute.globalOperations.*], projects: {p1: [compute.images.*]}}
quotas: {reads_per_minute: 9, mutations_per_minute: 9, images: 9, copies_per_source: {count: 6, minutes: 60}}
org_policy: {allowed_locations: [us, eu], allowed_member_domains: [example.com]}
switches: {unknown_fields: ignore, stale_etag: 409}
seed: 7
faults: [{method: compute.images.get, action: {kind: hang}}]
"""


def as_client(**rules: Any) -> Any:
    return running(driven=True, copy_seconds=10, scenario=rules)


def test_a_file_with_everything(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(HERE)
    found = scenario.load(path)
    assert [image.name for image in found.images] == ["base", "web"]
    assert isinstance(found.copy_seconds, dict)
    reader, ci = found.principal("reader"), found.principal("secret")
    assert reader is not None
    assert ci is not None
    assert (reader.name, ci.name, found.principal("other")) == ("reader", "ci", None)
    jsonschema.validate(yaml.safe_load(HERE), scenario.schema())
    with running(scenario=yaml.safe_load(HERE)) as emulator:
        assert [image["status"] for image in emulator.state()["images"]] == ["PENDING", "READY"]
        assert emulator.faults()[0]["action"] == {"kind": "hang"}


def test_the_published_schema_is_that_of_the_code() -> None:
    published = json.loads((ROOT / "schemas" / "emulator-scenario.schema.json").read_text("utf-8"))
    assert published == scenario.schema()
    jsonschema.Draft202012Validator.check_schema(published)


def test_an_empty_file_is_a_scenario(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("")
    assert scenario.load(path) == Scenario()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("imagse: []", "imagse: unknown key"),
        ("images: [{project: p1}]", "images.0.name: Field required"),
        ("images: [{project: p1, name: web, size: 1}]", "images.0.size: unknown key"),
        ("images: [{project: p1, name: Web}]", "images.0: Invalid value for field 'name'"),
        ("images: [{project: p1, name: a}, {project: p1, name: a}]", "images.1: .*exists already"),
        ("seed: 1\nseed: 2", "given twice"),
        ("seed: '1'", "seed: "),
        ("seed: 2026-01-01", "not plain values"),
        ("copy_seconds: -1", "copy_seconds"),
        ("copy_seconds: .nan", "copy_seconds"),
        ("copy_seconds: {EU: 1}", "copy_seconds"),
        ("1: 2", "must be text"),
        ("images: &a [*a]", "alias"),
        ("- images", "a mapping is expected"),
        ("{", "no YAML"),
        ("switches: {stale_etag: 400}", "switches.stale_etag"),
        ("faults: [{action: {kind: flood}}]", "faults: action: kind 'flood'"),
        ("principals: {t: {permission: []}}", "principals"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    from emulator.__main__ import main

    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(SystemExit) as caught:
        main(["--scenario", str(path)])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert f"--scenario {path}: " in error
    assert re.search(said, error)


def test_a_wrong_one_in_a_test() -> None:
    with pytest.raises(BadScenario, match="unknown key"), running(scenario={"image": []}):
        pass


def test_a_copy_takes_as_long_as_its_location_says() -> None:
    with as_client(images=[{"project": "p1", "name": "web"}], copy_seconds={"eu": 3}) as emulator:
        client = Client(emulator)
        client.insert("a", storageLocations=["eu"])
        client.insert("b", storageLocations=["asia"])
        emulator.advance(3)
        assert [client.get(f"/images/{name}").json["status"] for name in "ab"] == ["READY", "PENDING"]


def test_a_seed_gives_the_same_ids_also_after_a_reset() -> None:
    def ids() -> list[str]:
        made = client.insert("copy").json
        return [made["id"], made["targetId"], client.get("/images/web").json["id"]]

    seen = []
    for _ in range(2):
        with as_client(images=[{"project": "p1", "name": "web"}], seed=7) as emulator:
            client = Client(emulator)
            seen.append(ids())
            emulator.reset()
            seen.append(ids())
    assert all(each == seen[0] for each in seen)


def test_a_reset_goes_back_to_the_scenario() -> None:
    fault = {"id": "f", "action": {"kind": "delay", "seconds": 0}}
    with as_client(images=[{"project": "p1", "name": "web"}], faults=[fault]) as emulator:
        client = Client(emulator)
        client.delete("/images/web")
        emulator.add_image(project="p1", name="other")
        emulator.faults([])
        client.send("POST", "/_emulator/reset")
        assert [image["name"] for image in emulator.state()["images"]] == ["web"]
        assert [fault["id"] for fault in emulator.faults()] == ["f"]


SWITCHED: list[tuple[str, Any, int, int]] = [
    ("unknown_fields", "ignore", 400, 200),
    ("read_only_fields", "ignore", 400, 200),
    ("pending_heads_family", True, 404, 200),
    ("stale_etag", 409, 412, 409),
    ("missing_source", 400, 404, 400),
    ("images_quota", "operation", 403, 200),
    ("failed_request_id", "new", 200, 409),
    ("source_features", "replace", 200, 200),
    ("dual_regions", "accept", 400, 200),
]


def ask(client: Client, switch: str) -> int:
    """The status of the answer that a switch decides on."""
    emulator = client.emulator
    match switch:
        case "unknown_fields":
            return client.insert("copy", colour="red", shieldedInstanceInitialState={"pk": {"colour": 1}}).status
        case "read_only_fields":
            return client.insert("copy", sourceImageId="1", status="READY").status
        case "pending_heads_family":
            client.insert("copy", family="fresh")
            return client.get("/images/family/fresh").status
        case "stale_etag":
            return client.post("/images/web/setIamPolicy", {"policy": {"etag": "AAAA", "bindings": []}}).status
        case "missing_source":
            return client.insert("copy", source="none").status
        case "images_quota":
            return client.insert("copy").status
        case "failed_request_id":
            emulator.faults([{"action": {"kind": "operation", "code": "X", "leaves": "failed"}}])
            key = "1f0e2d3c-0000-4000-8000-000000000001"
            for _ in range(2):
                body = {"name": "copy", "sourceImage": "global/images/web"}
                answer = client.post("/images", body, requestId=key)
                emulator.advance(100)
            return answer.status
        case "source_features":
            client.insert("copy", guestOsFeatures=[{"type": "IDPF"}])
            features = client.get("/images/copy").json["guestOsFeatures"]
            joined = emulator.app.scenario.switches.source_features == "join"
            assert [each["type"] for each in features] == (["GVNIC", "IDPF"] if joined else ["IDPF"])
            return 200
        case _:
            return client.insert("copy", storageLocations=["nam4"]).status


def test_every_switch_is_tried() -> None:
    assert {name for name, *_ in SWITCHED} == set(Switches.model_fields)


@pytest.mark.parametrize(("switch", "other", "usual", "switched"), SWITCHED)
def test_switches(switch: str, other: Any, usual: int, switched: int) -> None:
    images = [{"project": "p1", "name": "web", "guest_os_features": ["GVNIC"]}]
    quotas = {"images": 1} if switch == "images_quota" else {}
    for switches, expected in (({}, usual), ({switch: other}, switched)):
        with as_client(images=images, quotas=quotas, switches=switches) as emulator:
            client = Client(emulator)
            assert ask(client, switch) == expected
            # What is ignored is not stored, but stands in the journal as it came.
            if switch == "unknown_fields" and switches:
                assert emulator.journal()[0]["body"]["colour"] == "red"
                assert "colour" not in (emulator.image("p1", "copy") or {})


def test_the_readme_s_scenario_is_one(tmp_path: Path) -> None:
    readme = (ROOT / "emulator" / "README.md").read_text("utf-8")
    found = re.search(r"^    # yaml-language-server.*?(?=^\S)", readme, re.MULTILINE | re.DOTALL)
    assert found
    path = tmp_path / "s.yaml"
    path.write_text(textwrap.dedent(found[0]))
    assert set(scenario.load(path).model_fields_set) == set(Scenario.model_fields)
