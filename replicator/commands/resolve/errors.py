"""Lists the failures of finding the nearest image, with causes and remedies."""

from __future__ import annotations

from replicator.core.errors import Advice, ExitCode

NO_REPLICA = Advice(
    title="No replica for this place",
    meaning="No image is as near as `fallback` asks, or there is none at all.",
    remedy="Its publisher can replicate it to that place (`locations`); or allow a replica that is farther away "
    "(`fallback: nearest`).",
    exit_code=ExitCode.FAILED,
)

PASSED_OVER_ALL = Advice(
    title="No replica is right",
    meaning="Every image that could serve the place is missing, unusable, or another image by the same name.",
    remedy="Its publisher should run the replication again, which repairs what it can; `replicator verify` shows all "
    "that differs.",
    exit_code=ExitCode.FAILED,
)

DIGEST_DIFFERS = Advice(
    title="Index has another digest",
    meaning="The index isn't the one that `digest` names.",
    why="The file was changed, or it is of another release.",
    remedy="Take the digest of the release that you want, from whom you trust; don't copy this one unread.",
    exit_code=ExitCode.BAD_SETTINGS,
)

PLACE_UNKNOWN = Advice(
    title="Place is unknown",
    meaning="No place was given, and no metadata server of Google's answered.",
    why="This isn't a machine of Google's, or its metadata server did not answer.",
    remedy="Give --zone, --region or --location.",
    exit_code=ExitCode.BAD_SETTINGS,
)

URL_UNREACHABLE = Advice(
    title="Index can't be fetched",
    meaning="The server of the index's URL did not answer in 30 seconds, or has a fault of its own.",
    remedy="Run this again; or fetch the file by other means, and give its path.",
    exit_code=ExitCode.UNREACHABLE,
)

IMAGE_UNREADABLE = Advice(
    title="Image can't be read",
    meaning="This identity may not read the image, so nobody can tell whether it is right.",
)
