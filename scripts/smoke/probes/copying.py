"""Asks what a copy is, what an insert refuses, and in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scripts.smoke.lab import ASKED_FEATURE, FEATURE, Lab
from scripts.smoke.probe import Probe, Seen, accepts

if TYPE_CHECKING:
    from collections.abc import Mapping

_SAME = (
    "architecture",
    "diskSizeGb",
    "archiveSizeBytes",
    "guestOsFeatures",
    "licenses",
    "shieldedInstanceInitialState",
)
_OWN = ("family", "description")


def _inheritance(lab: Lab) -> Seen:
    source, copy = lab.image("src"), lab.bare()
    labels = set(source.get("labels", {})) - set(copy.get("labels", {}))
    return {
        "differs": sorted(key for key in _SAME if source.get(key) != copy.get(key)),
        "came_along": sorted(key for key in _OWN if copy.get(key)),
        "labels_left": sorted(labels),
        "fields_of_the_copy": sorted(copy),
        "source_id_is_right": copy.get("sourceImageId") == source.get("id"),
    }


def _inherited(seen: Seen) -> str | None:
    if not seen.get("fields_of_the_copy"):
        return None
    wrong = [*seen["differs"], *seen["came_along"], *([] if seen["labels_left"] else ["labels"])]
    wrong += [] if seen["source_id_is_right"] else ["sourceImageId"]
    # The size stored may be another one in another place.
    wrong = [each for each in wrong if each != "archiveSizeBytes"]
    return f"otherwise: {', '.join(wrong)}" if wrong else "as assumed"


def _features(lab: Lab) -> Seen:
    lab.pend()
    return {"features": sorted(each["type"] for each in lab.image("pend").get("guestOsFeatures", []))}


def _joined(seen: Seen) -> str | None:
    kinds = {str(each) for each in seen["features"]}
    return "join" if {FEATURE, ASKED_FEATURE} <= kinds else "replace" if ASKED_FEATURE in kinds else None


def _to(lab: Lab, suffix: str, **body: Any) -> Mapping[str, Any]:
    return lab.copied(suffix, lab.second, **body)


def _missing(lab: Lab) -> Seen:
    return lab.insert("none-copy", lab.path("none"), storageLocations=["us"]).seen()


def _both_wrong(lab: Lab) -> Seen:
    return lab.insert("src", lab.path("none"), storageLocations=["us"]).seen()


def _first_refusal(seen: Seen) -> str | None:
    return {409: "forward", 404: "backward", 400: "backward"}.get(seen["status"])


def _taken(lab: Lab) -> Seen:
    return lab.insert("src", lab.second, storageLocations=["asia"]).seen()


def _of_a_copy(lab: Lab) -> Seen:
    lab.pend()
    parent, copy = lab.send("GET", lab.second).body, lab.image("pend")
    return {"by_id": copy.get("sourceImageId") == parent.get("id"), "parent_is_a_copy": "sourceImage" in parent}


def _of_parent(seen: Seen) -> str | None:
    if not seen["parent_is_a_copy"]:
        return None
    return "its parent's" if seen["by_id"] else "another one"


PROBES = (
    Probe(
        id="inheritance",
        guess="A copy inherits licences, guest features, architecture, shielded state and size; not family, "
        "description, labels.",
        assumed="as assumed",
        steps=_inheritance,
        settles=_inherited,
    ),
    Probe(id="source_features", steps=_features, settles=_joined),
    Probe(
        id="copy_of_copy",
        guess="The `sourceImageId` of a copy of a copy is its parent's, not the first source's.",
        assumed="its parent's",
        steps=_of_a_copy,
        settles=_of_parent,
    ),
    Probe(
        id="several_locations",
        steps=lambda lab: _to(lab, "two", storageLocations=["us", "eu"]),
        settles=accepts,
    ),
    Probe(id="dual_regions", steps=lambda lab: _to(lab, "nam4", storageLocations=["nam4"]), settles=accepts),
    Probe(
        id="smaller_copy",
        steps=lambda lab: _to(lab, "small", storageLocations=["us"], diskSizeGb="5"),
        settles=accepts,
    ),
    Probe(
        id="missing_source",
        steps=_missing,
        settles=lambda seen: seen["status"] if seen["status"] in {400, 404} else None,
    ),
    Probe(id="insert_checks", steps=_both_wrong, settles=_first_refusal),
    Probe(
        id="same_name_second_location",
        guess="A name is taken in every location: 409 `alreadyExists`.",
        assumed="409 alreadyExists",
        steps=_taken,
        settles=lambda seen: f"{seen['status']} {seen.get('reason', '')}".strip(),
    ),
)
