"""Draws worlds of releases: lines, locations, projects, templates, states, dates, labels, and images of others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

    from emulator.testing import Running

LOCATIONS = ("us", "eu", "asia", "us-west1", "europe-west1")
#: As gcloud, SUSE's tools and people write them; the last is none.
DATES = ("2999-12-24T00:00:00Z", "2020-02-01T00:00:00.000-08:00", "2026-12-05T19:28:07", "2020-01-01", "soon")
DAY = 86400.0


@dataclass(frozen=True, kw_only=True)
class World:
    """The options that a command is given, and the images that exist, the oldest first."""

    given: Mapping[str, str]
    images: list[dict[str, Any]] = field(default_factory=list)
    """Arguments of `Running.add_image`; `source` names the parent, (project, name)."""

    def project_of(self, location: str) -> str:
        return self.given.get("replica_project", "p1").replace("{location}", location)

    def name_of(self, root: str, location: str) -> str:
        template = self.given.get("name_template", "{name}-{location}")
        return template.replace("{name}", root).replace("{location}", location)

    def family_of(self, line: str, location: str) -> str:
        template = self.given.get("family_template", "{family}-{location}")
        return template.replace("{family}", line).replace("{location}", location)

    def put(self, emulator: Running) -> None:
        """Make it what exists."""
        emulator.reset()
        ids: dict[tuple[str, str], str] = {}
        for image in self.images:
            fields = dict(image)
            source = fields.pop("source", None)
            if source:
                project, name = source
                fields["source_image"] = f"projects/{project}/global/images/{name}"
                # A parent that is gone has an id that nobody has.
                fields["source_image_id"] = ids.get(source, "77")
            shown = emulator.add_image(**fields)
            ids[fields["project"], fields["name"]] = shown["id"]


def draw(random: Random, now: float) -> World:
    """Draw a world; `now` is the time of its day, in seconds since 1970."""
    lines = random.choice([("web",), ("web", "web-arm64"), ("db", "web")])
    places = random.sample(LOCATIONS, random.randint(1, 4))
    given = {"families": ", ".join(lines), "project_id": "p1", "locations": ", ".join(places)}
    own_projects = random.random() < 0.3
    if own_projects:
        given["replica_project"] = "acme-{location}"
        given["name_template"] = random.choice(["{name}", "{name}-{location}"])
    else:
        given["name_template"] = random.choice(["{name}-{location}", "{name}-in-{location}"])
    given["family_template"] = random.choice(["{family}-{location}", "stable-{family}-{location}"])
    world = World(given=given)
    # A project that lists nothing is a doubtful one.
    for project in dict.fromkeys(["p1", *map(world.project_of, places)]):
        world.images.append({"project": project, "name": "other", "family": "other", "created": now - 900 * DAY})
    for line in lines:
        for number in range(random.randint(1, 6)):
            _release(world, random, line, number, now)
    if random.random() < 0.4:
        _sourceless(world, random, lines, now)
    return world


def _release(world: World, random: Random, line: str, number: int, now: float) -> None:
    age = (8 - number) * 30 + random.random() * 20 if random.random() < 0.8 else random.random() * 2
    at = now - age * DAY
    name = f"{line}-v{number}"
    marked = random.choice(["", "", "", "DEPRECATED", "OBSOLETE", "some", "ACTIVE"])
    promoted = random.choice(["all", "all", "some", "none"])
    root = {"project": "p1", "name": name, "family": line if random.random() < 0.85 else None, "created": at}
    world.images.append(root | _state(random, marked) | _labels(random) | {"location": "us"})
    members = [("p1", name)]
    places = [place.strip() for place in world.given["locations"].split(",")]
    for step, place in enumerate(random.sample(places, random.randint(0, len(places)))):
        project, own = world.project_of(place), world.name_of(name, place)
        if (project, own) in members:
            continue
        copy: dict[str, Any] = {
            "project": project,
            "name": own,
            "location": place,
            "created": at + (step + 1) * 60 + random.random(),
            "source": random.choice(members),
        }
        if promoted == "all" or (promoted == "some" and random.random() < 0.5):
            copy["family"] = world.family_of(line, place)
        if random.random() < 0.08:
            copy["status"] = random.choice(["PENDING", "FAILED", "DELETING"])
        world.images.append(copy | _state(random, marked) | _labels(random))
        members.append((project, own))
    if random.random() < 0.2:
        # Somebody's own copy; now and then it is in a family of the line.
        test = {"project": "p1", "name": f"test-of-{name}", "created": at + 7200, "source": random.choice(members)}
        world.images.append(test | {"family": random.choice([None, "other", world.family_of(line, places[0])])})


def _state(random: Random, marked: str) -> dict[str, Any]:
    state = random.choice(["", "DEPRECATED"]) if marked == "some" else marked
    if not state:
        return {}
    dated = {"deleted": random.choice(DATES)} if random.random() < 0.6 else {}
    return {"deprecated": {"state": state, **dated}}


def _labels(random: Random) -> dict[str, Any]:
    found = {
        key: random.choice(values)
        for key, values in (("release", ["v1", "v2-0"]), ("hold", ["legal", "false"]), ("critical", ["yes", "false"]))
        if random.random() < 0.12
    }
    return {"labels": found} if found else {}


def _sourceless(world: World, random: Random, lines: tuple[str, ...], now: float) -> None:
    line, place = random.choice(lines), random.choice(world.given["locations"].split(",")).strip()
    world.images.append(
        {
            "project": world.project_of(place),
            "name": world.name_of(f"{line}-gone", place),
            "family": world.family_of(line, place),
            "location": place,
            "created": now - (random.random() * 300 + 2) * DAY,
            "source": ("p1", f"{line}-gone"),
        }
    )
