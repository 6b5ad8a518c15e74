"""Asks each mirror for each image, all at once, and its upstream for what it should be."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from replicator.commands.registry import references
from replicator.commands.registry.pulls import verdicts
from replicator.commands.registry.pulls.manifests import Source
from replicator.commands.registry.pulls.verdicts import Held, Pull
from replicator.compute.errors import SignInFailed
from replicator.compute.services import json_api

if TYPE_CHECKING:
    from collections.abc import Iterable

    from replicator.commands.registry.mirrors import Image, Mirror

#: Seconds before each further try.
_WAITS = (1.0, 4.0)


class _Passing(Exception):
    """An answer that may be another one a little later."""

    def __init__(self, held: Held) -> None:
        super().__init__(held.told)
        self.held = held


@dataclass(frozen=True, slots=True)
class _Asked:
    """A registry, and the name that an image has there."""

    source: Source
    name: str


async def all_of(wanted: Iterable[Image], mirrors: Iterable[Mirror], signed_in: Any | None) -> list[Pull]:
    """Ask every mirror of each image's upstream for it; `signed_in` are credentials, or None to ask as nobody."""
    there = list(mirrors)
    pairs = [(image, mirror) for image in wanted for mirror in there if mirror.upstream == image.upstream]
    return list(await asyncio.gather(*(_pull(image, mirror, signed_in) for image, mirror in pairs)))


async def _pull(image: Image, mirror: Mirror, signed_in: Any | None) -> Pull:
    near = _Asked(Source(mirror.host, signed_in), f"{mirror.below}/{image.path}")
    far, manifest = _upstream(image, signed_in), image.reference.manifest
    here, away = await asyncio.gather(_held(near, manifest), _held(far, manifest))
    lacks: tuple[str, ...] = ()
    if here.digest and here.digest == away.digest:
        lacks = await _lacking(near, far, here.digest)
    return verdicts.judged(image, mirror, here, away, lacks)


def _upstream(image: Image, signed_in: Any | None) -> _Asked:
    """Return where the upstream has an image. Only a repository of Google's is asked as this identity."""
    host, _, below = references.address(image.upstream).partition("/")
    if below:
        return _Asked(Source(host, signed_in), f"{below}/{image.path}")
    return _Asked(Source(references.server(host)), image.path)


async def _held(asked: _Asked, manifest: str) -> Held:
    """Ask for a manifest, and again while another answer may come; never raises a refusal."""

    def once() -> Held:
        found = asked.source.held(asked.name, manifest)
        if found.is_passing:
            raise _Passing(found)
        return found

    try:
        return await json_api.repeated(once, _WAITS, passing=_is_passing, pause=_pause)
    except _Passing as error:
        return error.held
    except json_api.Unanswered as error:
        return Held(told=" ".join(filter(None, (f"{str(error).rstrip('.')}.", error.remedy))))
    except SignInFailed as error:
        return Held(told=error.message)


async def _lacking(near: _Asked, far: _Asked, digest: str) -> tuple[str, ...]:
    """Return what belongs to the image upstream, and isn't served by the mirror: cosign's tag, OCI's tag, referrers."""
    stem = digest.replace(":", "-")
    lacking = []
    for tag, told in ((f"{stem}.sig", "its signature (the tag sha256-….sig)"), (stem, "its referrers' tag")):
        if (await _held(far, tag)).digest and (await _held(near, tag)).status == 404:
            lacking.append(told)
    try:
        away = await json_api.in_thread(far.source.referrers, far.name, digest)
        if away and not away <= await json_api.in_thread(near.source.referrers, near.name, digest):
            lacking.append("referrers (signatures and attestations)")
    except (json_api.Unanswered, SignInFailed):
        # Only a notice hangs on it.
        pass
    return tuple(lacking)


def _is_passing(error: Exception) -> bool:
    return isinstance(error, _Passing) or (isinstance(error, json_api.Unanswered) and error.again)


async def _pause(seconds: float, _: Exception) -> None:
    await asyncio.sleep(seconds)
