"""Each switch of the emulator turned round: the report names that one as refuted, and no other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import pytest

from scripts.smoke.probe import switches
from scripts.smoke.probes import PROBES, UNPROBED
from testkit.smoking.trying import ID, PROJECT, STRANGER, Tried, cloud, ours, standing
from testkit.tiers import few

if TYPE_CHECKING:
    from pathlib import Path

ME = "me-token"
PRINCIPALS = {ME: {"name": "user:me@corp.example", "permissions": ["*"]}, STRANGER: []}
NEEDS = {probe.id: probe.needs for probe in PROBES}
ANSWERS = [
    (name, answer)
    for name, info in switches().items()
    for answer in (get_args(info.annotation) or (True, False))
    if answer != info.default and name not in UNPROBED
]
ALL = {"public": True, "registry": True, "thorough": True, "stranger": STRANGER}
#: What one project can't tell, and what needs an organisation that forbids domains.
OPEN = {"copies_counted", "foreign_domain"}
FOREIGN = [
    {"project": PROJECT, "name": f"web-{number}", "location": ("us", "eu")[number % 2], "family": "web", "public": True}
    for number in range(200)
]
#: One project can't tell this from what is taken for granted.
BY_SOURCE = ("copies_counted", "by_source")


@pytest.mark.parametrize(("switch", "answer"), few(ANSWERS, ("stale_etag", 412)))
def test_the_report_names_what_is_turned_and_nothing_else(tmp_path: Path, switch: str, answer: Any) -> None:
    # Only where domains are forbidden is there an answer to a foreign one.
    policy = {"org_policy": {"allowed_member_domains": ["corp.example"]}} if switch == "foreign_domain" else {}
    with cloud(switches={switch: answer}, principals=PRINCIPALS, **policy) as emulator:
        needs = NEEDS[switch]
        _, found = Tried(emulator, tmp_path, token=ME).go(
            public=True, stranger=STRANGER, registry="REGISTRY" in needs, thorough="THOROUGH" in needs
        )
        assert ours(emulator) == []
    refuted = {row["id"]: row["observed"] for row in found["rows"] if row["verdict"] == "refuted"}
    assert refuted == ({} if (switch, answer) == BY_SOURCE else {switch: answer})


def test_an_organisation_that_forbids_domains(tmp_path: Path) -> None:
    """What stays open elsewhere is confirmed there."""
    policy = {"allowed_member_domains": ["corp.example"]}
    with cloud(principals=PRINCIPALS, org_policy=policy) as emulator:
        _, found = Tried(emulator, tmp_path, token=ME).go(public=True, only=("access",))
    rows = {row["id"]: row["verdict"] for row in found["rows"]}
    assert rows["foreign_domain"] == "confirmed"


@pytest.mark.exhaustive
def test_all_probes_among_images_of_others(tmp_path: Path) -> None:
    with cloud(principals=PRINCIPALS, images=FOREIGN) as emulator:
        before = standing(emulator)
        tried = Tried(emulator, tmp_path, token=ME)
        code, found = tried.go(**ALL)
        assert standing(emulator) == before
        changed = [
            f"{entry['target']}/{entry['query'].get('repositoryId', '')}"
            for entry in emulator.journal()
            if not entry["method"].endswith(
                (".get", ".list", ".aggregatedList", ".wait", "getFromFamily", "getIamPolicy")
            )
            and not entry["method"].endswith(("testIamPermissions", "imageFamilyViews.get"))
        ]
    assert code == 1
    assert [target for target in changed if f"/girs-{ID}-" not in target] == []
    settled = {row["id"] for row in found["rows"] if row["verdict"] == "confirmed" and row["switch"]}
    assert settled == set(switches()) - set(UNPROBED) - OPEN
    assert not [row["id"] for row in found["rows"] if row["verdict"] == "refuted"]
