"""Releases put in place in an emulator as `replicate` leaves them, as old as they are said to be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emulator.testing import Running

DAY = 86400.0


def add(emulator: Running, name: str, *, day: float, project: str = "p1", marked: str = "", **more: Any) -> str:
    """Put an image in place, and return its URI."""
    deprecated = {"state": marked} if marked else {}
    emulator.add_image(project=project, name=name, created=day * DAY, deprecated=deprecated, **more)
    return f"projects/{project}/global/images/{name}"


def release(
    emulator: Running,
    name: str,
    *,
    day: float,
    line: str = "web",
    copies: tuple[str, ...] = ("eu", "asia"),
    family: str = "{line}-{place}",
    **more: Any,
) -> None:
    """Put a source, stored in us, and its copies in place, each a little younger than the one before.

    Without a `family` the copies carry none. With the family of the line itself, the last copy is home's.
    """
    own = more.pop("own", line)
    source = add(emulator, name, day=day, family=own, location="us", **more)
    for number, place in enumerate(copies, start=1):
        carried = {"family": family.format(line=line, place=place)} if family else {}
        made = {**of(emulator, source), **carried, **more}
        add(emulator, f"{name}-{place}", day=day + number / 100, location=place, **made)


def of(emulator: Running, uri: str) -> dict[str, str]:
    """The fields that say what a copy was made of."""
    project, name = uri.split("/")[1], uri.split("/")[-1]
    image = emulator.image(project, name)
    if image is None:
        raise KeyError(uri)
    return {"source_image": uri, "source_image_id": image["id"]}


def heads(emulator: Running) -> dict[str, str]:
    """What each family resolves to by the emulator's own state, without a call: name of family → name of image."""
    images = emulator.state()["images"]
    usable = [each for each in images if each["status"] == "READY" and each.get("family")]
    newest = sorted(usable, key=lambda each: each["creationTimestamp"])
    return {
        each["family"]: each["name"] for each in newest if each.get("deprecated", {}).get("state", "ACTIVE") == "ACTIVE"
    }


def marked(emulator: Running) -> dict[str, str]:
    """The state of each image that is deprecated."""
    images = emulator.state()["images"]
    return {each["name"]: each["deprecated"]["state"] for each in images if each.get("deprecated", {}).get("state")}
