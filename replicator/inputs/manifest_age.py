"""Tells a Packer manifest that is older than the image it names, or than this job, by the times they say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

#: Longer than any job takes: a manifest of this job, and the image that it names, are younger.
_LONGEST = timedelta(days=1)


def doubt(built: datetime | None, created: datetime, now: datetime) -> str:
    """Why a manifest may not speak of the image that this job built; empty where nothing is odd.

    `built` is when its last build ended, None where it doesn't say; `created` is when the image was made.
    """
    if built is None:
        return ""
    if abs(created - built) > _LONGEST:
        return (
            f"packer_manifest says that its last build ended at {_shown(built)}, and the image that it names was made "
            f"at {_shown(created)}: it may be another image of that name."
        )
    if now - built > _LONGEST:
        days = (now - built).days
        age = "1 day" if days == 1 else f"{days} days"
        return (
            f"packer_manifest is of a build that ended at {_shown(built)}, {age} ago. "
            "If this job built an image, that is not its manifest: a committed one, perhaps, or one of another folder."
        )
    return ""


def _shown(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
