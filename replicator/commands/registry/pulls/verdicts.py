"""Judges by the answers of a mirror and its upstream whether an image can be pulled through the mirror. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from replicator.commands.registry.mirrors import Image, Mirror

_OK, _MISSING, _REFUSED = 200, 404, frozenset({401, 403})
#: Seconds from which a pull is told to be slow.
_SLOW = 3.0


class State(StrEnum):
    """What came of asking one mirror for one image."""

    SAME = "same"
    """The mirror serves what the upstream has."""
    SERVED = "served"
    """The mirror serves it; the upstream could not be compared."""
    DIFFERS = "differs"
    NOT_UPSTREAM = "not_upstream"
    NOT_SERVED = "not_served"
    DENIED = "denied"
    UNREACHABLE = "unreachable"


#: The states in which the image can be pulled through the mirror.
RIGHT = frozenset({State.SAME, State.SERVED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a registry said about a manifest."""

    status: int = 0
    """The HTTP status; 0 if there was no answer."""
    digest: str = ""
    """`sha256:…`; empty if it doesn't have it, or doesn't show it."""
    seconds: float = 0.0
    """How long the answer took."""
    told: str = ""
    """Why there was no answer, for people."""

    @property
    def is_passing(self) -> bool:
        """Whether another try may get another answer."""
        return self.status == 429 or self.status >= 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """One image asked for at one mirror."""

    image: Image
    mirror: Mirror
    state: State
    message: str
    """What was found, and what to do about it, for people."""
    digest: str = ""
    """What the mirror serves."""
    upstream_digest: str = ""
    seconds: float = 0.0
    lacks: tuple[str, ...] = ()
    """Signatures and what else belongs to the image that the upstream has and the mirror doesn't serve."""

    @property
    def text(self) -> str:
        """The reference by which the mirror was asked."""
        return f"{self.mirror.uri}/{self.image.path}{self.image.reference.suffix}"

    @property
    def notices(self) -> list[str]:
        """What is worth a notice, though the image can be pulled."""
        upstream, found = self.mirror.upstream, []
        if self.state in RIGHT and self.seconds >= _SLOW:
            why = f"the first pull of each image fetches it from {upstream}"
            found.append(f"The answer took {self.seconds:.1f} s: {why}.")
        if self.lacks:
            found.append(f"The mirror lacks {', '.join(self.lacks)}, which {upstream} has: verify there.")
        return found

    @property
    def told(self) -> str:
        """All that there is to say of it."""
        return " ".join([self.message, *self.notices])

    @property
    def row(self) -> dict[str, Any]:
        """The pull as JSON values."""
        return {
            "reference": self.image.reference.text,
            "location": self.mirror.location,
            "image": self.text,
            "state": str(self.state),
            "message": self.told,
            "digest": self.digest,
            "upstream_digest": self.upstream_digest,
            "seconds": round(self.seconds, 3),
            "lacks": list(self.lacks),
        }


def judged(image: Image, mirror: Mirror, here: Held, there: Held, lacks: tuple[str, ...] = ()) -> Pull:
    """Return the verdict on one image: `here` is what its mirror said, `there` the upstream."""
    state, message = _state(image.reference.manifest, mirror, here, there)
    return Pull(
        image=image,
        mirror=mirror,
        state=state,
        message=message,
        digest=here.digest,
        upstream_digest=there.digest,
        seconds=here.seconds,
        lacks=lacks,
    )


def _state(manifest: str, mirror: Mirror, here: Held, there: Held) -> tuple[State, str]:
    upstream = mirror.upstream
    asked = manifest if manifest.startswith("sha256:") else ""
    if here.status == _OK:
        if asked and here.digest != asked:
            why = "something on the way changes what is pulled"
            return State.DIFFERS, f"The mirror answers with {here.digest}. Don't use it: {why}."
        if not there.digest:
            return State.SERVED, f"The mirror serves it; {_unreadable(upstream, there)}, so it was not compared."
        if there.digest == here.digest:
            return State.SAME, f"The mirror serves {here.digest}, as {upstream} does."
        return State.DIFFERS, (
            f"The mirror serves {here.digest}, and {upstream} has {there.digest}: the tag was moved, and the mirror "
            "keeps what it fetched for a while. Pull by digest, or try again later."
        )
    if here.status in _REFUSED:
        return State.DENIED, (
            f"The mirror refused this identity (HTTP {here.status}). Add those who pull to `readers`, and run "
            "`registry ensure`; a policy set a moment ago may take some minutes."
        )
    if here.status == _MISSING:
        return _missing(upstream, there)
    said = here.told or f"{mirror.host} answered HTTP {here.status}."
    return State.UNREACHABLE, f"{said} Run this again later."


def _missing(upstream: str, there: Held) -> tuple[State, str]:
    if there.status == _OK:
        return State.NOT_SERVED, (
            f"The mirror doesn't serve it, and {upstream} does. Run this again; if that doesn't help, look into the "
            "mirror's logs: the first pull fetches the image."
        )
    if there.status == _MISSING:
        return State.NOT_UPSTREAM, f"It is not at {upstream} either. Check the name, and that it was pushed."
    return State.NOT_SERVED, (
        f"The mirror doesn't serve it, and {_unreadable(upstream, there)}. If it is private, give the mirror "
        "`credentials`."
    )


def _unreadable(upstream: str, there: Held) -> str:
    if there.status in _REFUSED:
        return f"{upstream} shows it to nobody without a sign-in"
    if there.status == _MISSING:
        return f"{upstream} has it no longer, or shows it to nobody without a sign-in"
    return f"{upstream} gave no answer ({there.told.rstrip('.') or f'HTTP {there.status}'})"
