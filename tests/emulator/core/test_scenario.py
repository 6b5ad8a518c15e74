"""Scenarios: read strictly, and put in force."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from emulator import assembly, scenario
from emulator.compute.scenario import Scenario, Switches
from emulator.core.scenario import BadScenario
from emulator.testing import running
from testkit.client import Client
from testkit.places import ROOT

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
    assert isinstance(found, Scenario)
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


def test_every_key_is_described() -> None:
    definitions = {"Scenario": scenario.schema(), **scenario.schema()["$defs"]}
    keys = {(name, key): spec for name, each in definitions.items() for key, spec in each["properties"].items()}
    assert len(keys) > 40
    assert [key for key, spec in keys.items() if len(spec.get("description", "")) < 8] == []


def test_an_empty_file_is_a_scenario(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("")
    assert scenario.load(path).model_dump() == assembly.scenario()().model_dump()


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


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a switch decides: asked of a client, answered as usual, or otherwise with the other value."""

    other: Any
    ask: Callable[[Client], Any]
    usual: Any
    switched: Any
    scenario: dict[str, Any] = field(default_factory=dict)


NAMED = {"principals": {"t": ["compute.images.create"]}}
FOREIGN = {"role": "roles/compute.imageUser", "members": ["user:a@other.example"]}
DOMAINS = {"org_policy": {"allowed_member_domains": ["example.com"]}}
COPIES = {"quotas": {"copies_per_source": {"count": 1, "minutes": 60}}}


def listed(client: Client, text: str) -> list[str]:
    return [image["name"] for image in client.get("/images", filter=text).json.get("items", ())]


def limited(client: Client, *sources: str, failing: bool = False) -> str:
    """The error of the last of these copies."""
    if failing:
        client.emulator.faults([{"action": {"kind": "operation", "code": "X", "leaves": "nothing"}}])
    for number, source in enumerate(sources):
        done = client.wait(client.insert(f"copy-{number}", source))
    return str(done.get("error", {"errors": [{"code": ""}]})["errors"][0]["code"])


def repeated(client: Client) -> int:
    client.emulator.faults([{"action": {"kind": "operation", "code": "X", "leaves": "failed"}}])
    for _ in range(2):
        body = {"name": "copy", "sourceImage": "global/images/web"}
        answer = client.post("/images", body, requestId="1f0e2d3c-0000-4000-8000-000000000001")
        client.emulator.advance(100)
    return answer.status


def features(client: Client) -> list[str]:
    client.insert("copy", guestOsFeatures=[{"type": "IDPF"}])
    return [each["type"] for each in client.get("/images/copy").json["guestOsFeatures"]]


def waits(client: Client) -> list[int]:
    operation = client.insert("copy").json["name"]
    client.advance(100)
    return [client.post(f"/operations/{operation}/wait").status for _ in range(2)]


def patched(client: Client) -> str:
    client.patch("/images/web", {"family": "new", "description": "d"})
    client.patch("/images/web", {"family": "newer"})
    before = client.get("/images/web").json["family"]
    client.advance(100)
    after = client.get("/images/web").json
    assert (after["family"], after["description"]) == ("newer", "d")
    return str(before)


def family_of_pending(client: Client) -> int:
    client.insert("copy", family="fresh")
    return client.get("/images/family/fresh").status


def renamed(client: Client) -> int:
    client.insert("copy")
    return client.patch("/images/copy", {"family": "new"}).status


def foreigner(client: Client) -> int:
    return client.post("/images/web/setIamPolicy", {"policy": {"bindings": [FOREIGN]}}).status


def deprecated_by_patch(client: Client) -> Any:
    client.patch("/images/web", {"deprecated": {"state": "OBSOLETE"}})
    return client.get("/images/web").json.get("deprecated", {}).get("state")


def deprecated_by_insert(client: Client) -> Any:
    client.wait(client.insert("copy", deprecated={"state": "OBSOLETE"}))
    return client.get("/images/copy").json.get("deprecated", {}).get("state")


def deprecated(client: Client, body: dict[str, Any]) -> Any:
    """What a deprecated image is after this: its state, or the status of the refusal."""
    client.post("/images/web/deprecate", {"state": "DEPRECATED"})
    answer = client.post("/images/web/deprecate", body)
    return client.get("/images/web").json.get("deprecated", {}).get("state") if answer.status == 200 else answer.status


#: Long ago, far away, and as gcloud writes it.
DATES = ("2001-12-24T00:00:00Z", "2999-12-24T00:00:00+01:00", "2999-12-24T19:28:07")

SWITCHED = {
    "unknown_fields": Asked(
        other="ignore",
        ask=lambda client: client.insert("copy", colour="red", shieldedInstanceInitialState={"pk": {"a": 1}}).status,
        usual=400,
        switched=200,
    ),
    "read_only_fields": Asked(
        other="ignore", ask=lambda client: client.insert("a", status="READY").status, usual=400, switched=200
    ),
    "first_check": Asked(
        other="permission",
        ask=lambda client: client.patch("/images/web", {"colour": "red"}).status,
        usual=400,
        switched=403,
        scenario=NAMED,
    ),
    "forbidden_missing": Asked(
        other=404,
        ask=lambda client: (
            *(client.get(f"/images/{name}").status for name in ("none", "web")),
            *(client.insert("copy", source).status for source in ("none", "web")),
        ),
        usual=(403, 403, 403, 403),
        switched=(404, 403, 404, 403),
        scenario=NAMED,
    ),
    "pending_heads_family": Asked(other=True, ask=family_of_pending, usual=404, switched=200),
    "stale_etag": Asked(
        other=412,
        ask=lambda client: client.post("/images/web/setIamPolicy", {"policy": {"etag": "AAAA"}}).status,
        usual=409,
        switched=412,
    ),
    "foreign_domain": Asked(
        other="conditionNotMet",
        ask=foreigner,
        usual=400,
        switched=412,
        scenario=DOMAINS,
    ),
    "known_members": Asked(
        other="refuse",
        ask=foreigner,
        usual=200,
        switched=400,
        scenario={**DOMAINS, "images": [{"project": "p1", "name": "web", "policy": [FOREIGN]}]},
    ),
    "insert_checks": Asked(
        other="backward",
        ask=lambda client: [
            client.insert(*names, storageLocations=["eu"]).status for names in [("web", "none"), ("new", "none")]
        ],
        usual=[409, 404],
        switched=[412, 412],
        scenario={"org_policy": {"allowed_locations": ["us"]}},
    ),
    "missing_source": Asked(
        other=400, ask=lambda client: client.insert("copy", "none").status, usual=404, switched=400
    ),
    "images_quota": Asked(
        other="operation",
        ask=lambda client: client.insert("copy").status,
        usual=403,
        switched=200,
        scenario={"quotas": {"images": 1}},
    ),
    "copies_counted": Asked(
        other="by_project",
        ask=lambda client: limited(client, "web", "base"),
        usual="",
        switched="RESOURCE_OPERATION_RATE_EXCEEDED",
        scenario=COPIES,
    ),
    "failed_copies": Asked(
        other="count",
        ask=lambda client: limited(client, "web", "web", failing=True),
        usual="",
        switched="RESOURCE_OPERATION_RATE_EXCEEDED",
        scenario=COPIES,
    ),
    "wait_quota": Asked(
        other="free",
        ask=waits,
        usual=[200, 403],
        switched=[200, 200],
        scenario={"quotas": {"reads_per_minute": 1}},
    ),
    "failed_request_id": Asked(other="new", ask=repeated, usual=200, switched=409),
    "source_features": Asked(other="replace", ask=features, usual=["GVNIC", "IDPF"], switched=["IDPF"]),
    "failed_source": Asked(
        other="accept",
        ask=lambda client: [client.insert(f"of-{name}", name).status for name in ("broken", "half")],
        usual=[400, 400],
        switched=[200, 400],
    ),
    "smaller_copy": Asked(
        other="accept", ask=lambda client: client.insert("copy", diskSizeGb="5").status, usual=400, switched=200
    ),
    "dual_regions": Asked(
        other="refuse",
        ask=lambda client: client.insert("copy", storageLocations=["nam4"]).status,
        usual=200,
        switched=400,
    ),
    "several_locations": Asked(
        other="accept",
        ask=lambda client: (
            client.insert("copy", storageLocations=["eu", "us"]).status,
            (client.emulator.image("p1", "copy") or {}).get("storageLocations"),
        ),
        usual=(400, None),
        switched=(200, ["eu", "us"]),
    ),
    "deleted_members": Asked(
        other="accept",
        ask=lambda client: (
            client.post(
                "/images/web/setIamPolicy",
                {"policy": {"bindings": [{**FOREIGN, "members": ["deleted:user:a@example.com?uid=1"]}]}},
            ).status
        ),
        usual=400,
        switched=200,
    ),
    "deleted_images": Asked(
        other="gone",
        ask=lambda client: (client.delete("/images/web").status, client.get("/images/web").status),
        usual=(200, 200),
        switched=(200, 404),
    ),
    "first_answers": Asked(
        other="running", ask=lambda client: client.insert("copy").json["status"], usual="PENDING", switched="RUNNING"
    ),
    "patched_deprecation": Asked(other="apply", ask=deprecated_by_patch, usual=None, switched="OBSOLETE"),
    "inserted_deprecation": Asked(other="ignore", ask=deprecated_by_insert, usual="OBSOLETE", switched=None),
    "undeprecate": Asked(
        other="body_only",
        ask=lambda client: [deprecated(client, {"state": "ACTIVE"}), deprecated(client, {})],
        usual=["ACTIVE", None],
        switched=["DEPRECATED", None],
    ),
    "past_dates": Asked(
        other="refuse",
        ask=lambda client: [deprecated(client, {"state": "OBSOLETE", "deleted": date}) for date in DATES],
        usual=["OBSOLETE"] * 3,
        switched=[400, "OBSOLETE", "OBSOLETE"],
    ),
    "date_form": Asked(
        other="rfc3339",
        ask=lambda client: [deprecated(client, {"state": "OBSOLETE", "deleted": date}) for date in DATES],
        usual=["OBSOLETE"] * 3,
        switched=["OBSOLETE", "OBSOLETE", 400],
    ),
    "replacement": Asked(
        other="existing",
        ask=lambda client: [
            deprecated(client, {"state": "OBSOLETE", "replacement": f"projects/p1/global/images/{name}"})
            for name in ("base", "none")
        ],
        usual=["OBSOLETE", "OBSOLETE"],
        switched=["OBSOLETE", 400],
    ),
    "image_by_id": Asked(
        other="refuse",
        ask=lambda client: client.delete(f"/images/{client.get('/images/web').json['id']}").status,
        usual=200,
        switched=404,
    ),
    "empty_family": Asked(
        other="refuse",
        ask=lambda client: [client.patch("/images/web", {"family": value}).status for value in ("", None)],
        usual=[200, 200],
        switched=[400, 400],
    ),
    "template_images": Asked(
        other="existing",
        ask=lambda client: [
            client.post("/instanceTemplates", {"name": f"of-{number}", "properties": {"disks": [disk]}}).status
            for number, disk in enumerate(
                {"initializeParams": {"sourceImage": f"global/images/{name}"}}
                for name in ("web", "none", "family/web", "family/none")
            )
        ],
        usual=[200, 200, 200, 200],
        switched=[200, 404, 200, 404],
    ),
    "family_by_image_policy": Asked(
        other="refuse",
        ask=lambda client: [client.get(f"/images/{name}").status for name in ("web", "family/web")],
        usual=[200, 200],
        switched=[200, 403],
        scenario={
            "principals": {"t": []},
            "images": [{"project": "p1", "name": "web", "family": "web", "public": True}],
        },
    ),
    "patched_fields": Asked(
        other="ignore",
        ask=lambda client: (
            client.patch("/images/web", {"diskSizeGb": "5"}).status,
            client.get("/images/web").json["diskSizeGb"],
        ),
        usual=(400, "10"),
        switched=(200, "10"),
    ),
    "pending_changes": Asked(other="refuse", ask=renamed, usual=200, switched=400),
    "changes_visible": Asked(other="when_done", ask=patched, usual="newer", switched="web"),
    "filter_case": Asked(other="ignore", ask=lambda client: listed(client, "name = WEB"), usual=[], switched=["web"]),
    "filter_has": Asked(
        other="whole",
        ask=lambda client: [listed(client, text) for text in ("name:EB", "name:WE*")],
        usual=[["web"], ["web"]],
        switched=[[], ["web"]],
    ),
}
IMAGES = [
    {"project": "p1", "name": "web", "family": "web", "guest_os_features": ["GVNIC"]},
    {"project": "p1", "name": "base"},
    {"project": "p1", "name": "broken", "status": "FAILED"},
    {"project": "p1", "name": "half", "status": "PENDING"},
]


def test_every_switch_is_tried() -> None:
    assert set(SWITCHED) == set(Switches.model_fields)


@pytest.mark.parametrize("switch", SWITCHED)
def test_switches(switch: str) -> None:
    asked = SWITCHED[switch]
    for switches, expected in (({}, asked.usual), ({switch: asked.other}, asked.switched)):
        with as_client(**{"images": IMAGES, **asked.scenario, "switches": switches}) as emulator:
            client = Client(emulator, emulator.app.clock)
            client.headers["Authorization"] = "Bearer t"
            assert asked.ask(client) == expected
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
