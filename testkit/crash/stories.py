"""What a run finds and is asked for, the calls that it makes of it, and what must stand there in the end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from emulator.testing import Running
    from testkit.action import Action

#: Of every image here; the service gives out others each time.
PASSING = ("id", "creationTimestamp", "sourceImageId", "labelFingerprint")

CONTENT: dict[str, Any] = {
    "disk_size_gb": 20,
    "guest_os_features": ["UEFI_COMPATIBLE", "GVNIC"],
    "licenses": ["https://www.googleapis.com/compute/v1/projects/debian-cloud/global/licenses/debian-12"],
}
TOLD: dict[str, Any] = {"labels": {"team": "infra"}, "description": "The web server", "public": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One run: its inputs, the images that stand there before it, and its calls, each named as `Stage` names them."""

    name: str
    inputs: Mapping[str, str]
    existing: tuple[Mapping[str, Any], ...] = ()
    """Copies of the source; what `add_image` takes beside the project."""
    look_up: tuple[str, ...]
    """The calls before there is a plan."""
    calls: tuple[str, ...]
    """All calls, those first."""
    origins_vary: bool = False
    """Whether it depends on where a run ended what is a copy of what."""

    def begin(self, emulator: Running) -> None:
        """Put in place what the run finds: an older release, the source, and copies of that."""
        emulator.reset()
        release(emulator, "web-0")
        emulator.add_image(project="p1", name="web-0-eu", location="eu", family="web-eu", **of(emulator, "web-0"))
        release(emulator, "web-1")
        for image in self.existing:
            emulator.add_image(project="p1", **{**CONTENT, **TOLD, **of(emulator, "web-1"), **image})


def release(emulator: Running, name: str) -> None:
    """What a build makes."""
    emulator.add_image(project="p1", name=name, family="web", **CONTENT, **TOLD)


def of(emulator: Running, name: str) -> dict[str, Any]:
    """What makes an image a copy of another one."""
    source = emulator.image("p1", name)
    assert source is not None
    return {"source_image": source["selfLink"], "source_image_id": source["id"]}


def copying(name: str, family: str, *more: str) -> tuple[str, ...]:
    """The calls for one copy; `more` are those that find out what the family's head is made of."""
    return (*made(name), *promoted(name, family, *more))


def made(name: str) -> tuple[str, ...]:
    """The calls until a copy is verified and open."""
    return (f"insert {name}", f"wait {name}", f"get {name}", f"getIamPolicy {name}", f"setIamPolicy {name}")


def promoted(name: str, family: str, *more: str) -> tuple[str, ...]:
    return (f"getFromFamily {family}", *more, f"patch {name}", f"wait {name}", f"getFromFamily {family}")


def followed(name: str, family: str) -> tuple[str, ...]:
    """The same in a family that another location leads: its head tells nothing about this image."""
    return (f"getFromFamily {family}", f"patch {name}", f"wait {name}", f"get {name}")


def numbered(calls: Iterable[str]) -> Iterator[str]:
    """The same calls, those that are made more than once told apart."""
    counts: Counter[str] = Counter()
    for call in calls:
        counts[call] += 1
        yield call if counts[call] == 1 else f"{call} #{counts[call]}"


LOOK_UP = ("get web-1", "getIamPolicy web-1", "list images", "testIamPermissions web-1")
WHERE = {"source_image": "projects/p1/global/images/web-1", "locations": "us, eu, asia, europe-west4"}

OWN_FAMILIES = Story(
    name="own families",
    inputs={**WHERE, "required_locations": "us, eu", "labels": "release=1", "access": "public"},
    look_up=LOOK_UP,
    calls=(
        *LOOK_UP,
        *copying("web-1-eu", "web-eu", "get web-0"),
        *copying("web-1-asia", "web-asia"),
        *copying("web-1-europe-west4", "web-europe-west4"),
    ),
)
SHARED_FAMILY = Story(
    name="shared family",
    inputs={**WHERE, "family_template": "{family}", "required_locations": "all"},
    look_up=LOOK_UP,
    calls=(
        *LOOK_UP,
        *copying("web-1-us", "web"),
        *(
            call
            for location in ("eu", "asia", "europe-west4")
            for call in (*made(f"web-1-{location}"), *followed(f"web-1-{location}", "web"))
        ),
    ),
)
REPAIRED = (*LOOK_UP, "getIamPolicy web-1-eu", "getIamPolicy web-1-europe-west4")
REPAIRS = Story(
    name="repairs",
    inputs={**WHERE, "replace_failed": "true"},
    existing=(
        {"name": "web-1-eu", "location": "eu", "labels": {"mine": "kept"}, "description": "Old", "public": False},
        {"name": "web-1-asia", "location": "asia", "status": "FAILED"},
        {"name": "web-1-europe-west4", "location": "europe-west4"},
    ),
    look_up=REPAIRED,
    calls=(
        *REPAIRED,
        *("patch web-1-eu", "wait web-1-eu", "setLabels web-1-eu", "get web-1-eu"),
        *("setIamPolicy web-1-eu", *promoted("web-1-eu", "web-eu", "get web-0")),
        *("get web-1-asia", "delete web-1-asia", "wait web-1-asia", *copying("web-1-asia", "web-asia")),
        *promoted("web-1-europe-west4", "web-europe-west4"),
    ),
)
COPIES_OF_COPIES = Story(
    name="copies of copies",
    inputs={**WHERE, "copies_per_source": "1"},
    look_up=LOOK_UP,
    calls=OWN_FAMILIES.calls,
    # The next run does not know which copies were made of an image within the hour.
    origins_vary=True,
)
STORIES = (OWN_FAMILIES, SHARED_FAMILY, REPAIRS, COPIES_OF_COPIES)


def standing(emulator: Running) -> dict[str, Any]:
    """Everything that exists, without what the service gives out anew each time, and the heads of all families."""
    images = emulator.state()["images"]
    ready = [image for image in images if image["status"] == "READY" and image.get("family")]
    return {
        "images": {
            image["name"]: {
                **{key: value for key, value in image.items() if key not in PASSING},
                "policy": image["policy"].get("bindings", []),
            }
            for image in images
        },
        # In order of their creation: the youngest is the head.
        "heads": {image["family"]: image["name"] for image in ready},
        "made of": {image["name"]: image.get("sourceImage", "") for image in images},
    }


def assert_made_once(action: Action, story: Story) -> None:
    """Nothing was made twice, and what was there before was not touched."""
    made = [call["target"] for call in action.calls("insert") if call["committed"]]
    assert len(made) == len(set(made))
    # Images are deleted by id, of which the operation tells the name.
    named = [call for call in action.mutations() if not call["method"].endswith(".delete")]
    assert not [call for call in named if not call["target"].split("/")[-1].startswith("web-1-")]
    failed = [image["name"] for image in story.existing if image.get("status") == "FAILED"]
    deletions = [each for each in action.emulator.state()["operations"] if each["operationType"] == "delete"]
    assert [each["targetLink"].split("/")[-1] for each in deletions] == failed
