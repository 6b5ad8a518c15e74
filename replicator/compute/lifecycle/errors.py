"""Defines why an image was not deprecated or deleted as asked, beside what Compute Engine itself refuses."""

from __future__ import annotations

from replicator.core.errors import Failure


class NotDone(Failure):
    """One image was left as it is, or doesn't show what was done."""

    why = ""
    remedy = ""
    lines = ""
    reason: str
    """A reason of the closed list of the lifecycle verbs."""


class Changed(NotDone):
    """The image isn't what was decided upon any longer, so nothing was done to it (or its name was given anew)."""

    reason = "changed"
    remedy = "Run this again: it decides by what is there now."


class StillDeprecated(NotDone):
    """Clearing a deprecation was refused, or doesn't show."""

    reason = "still_deprecated"
    why = 'The newest page of Google\'s says: "Deprecating an image is irreversible."'
    remedy = "Build the release anew, or promote another one: copies of a DEPRECATED source get no family."


class StillActive(NotDone):
    """Deprecating an image was accepted, and doesn't show."""

    reason = "still_active"
    remedy = "Run this again. If it stays, deprecate the image with gcloud and look what it answers."


class OtherDeprecation(NotDone):
    """An image shows the state that was asked for, but another date or replacement."""

    reason = "drift"
    remedy = "Run this again. If it stays, somebody else changes the image, too."
