"""Asks Google's metadata server which region this machine is in.

The server is asked directly, by no proxy, and believed only with its header, because anything may answer at its name.
"""

from __future__ import annotations

import http.client
import re
from typing import TYPE_CHECKING

from replicator.commands.resolve.errors import PLACE_UNKNOWN
from replicator.core import locations
from replicator.core.errors import ReplicatorError

if TYPE_CHECKING:
    from collections.abc import Mapping

_HOST_VARIABLE, _HOST = "GCE_METADATA_HOST", "metadata.google.internal"
_FLAVOR = {"Metadata-Flavor": "Google"}
#: Cloud Run and Cloud Build have a region and no zone.
_ATTRIBUTES = ("zone", "region")
_ANSWER = re.compile(r"projects/[^/\s]+/(zones|regions)/([a-z0-9-]+)")
#: Seconds for one answer; tries.
_SECONDS, _TRIES = 1.0, 3
#: Seconds for all of it, a slow look-up of the name included.
SECONDS = 8.0
LATE = (PLACE_UNKNOWN, f"No place was given, and no metadata server answered in {SECONDS:.0f} seconds")
_LARGEST = 1024
_NOT_FOUND = 404


def region(env: Mapping[str, str]) -> str:
    """Return the region of this machine. Raises ReplicatorError (PLACE_UNKNOWN)."""
    host = env.get(_HOST_VARIABLE) or _HOST
    failed = ""
    for attribute in _ATTRIBUTES:
        text, failed = _ask(host, attribute)
        if text is None:
            continue
        found = _ANSWER.fullmatch(text)
        place = (locations.region_of_zone(found[2]) if found[1] == "zones" else found[2]) if found else None
        if place and locations.is_location(place):
            return place
        failed = "it named no zone or region"
        break
    raise ReplicatorError(PLACE_UNKNOWN, f"No place was given, and {host} was of no help: {failed}")


def _ask(host: str, attribute: str) -> tuple[str | None, str]:
    """Return the answer, or None and what went wrong; the next attribute is asked for after a 404 only."""
    failed = ""
    for _ in range(_TRIES):
        try:
            status, flavor, text = _get(host, f"/computeMetadata/v1/instance/{attribute}")
        except (OSError, http.client.HTTPException, ValueError) as error:
            failed = f"it did not answer ({type(error).__name__})"
            continue
        if flavor != _FLAVOR["Metadata-Flavor"]:
            raise ReplicatorError(
                PLACE_UNKNOWN, f"No place was given, and what answers as {host} isn't Google's metadata server"
            )
        if status == http.client.OK:
            return text.strip(), ""
        failed = f"it answered {status}"
        if status == _NOT_FOUND:
            return None, failed
    raise ReplicatorError(PLACE_UNKNOWN, f"No place was given, and {host} was of no help: {failed}")


def _get(host: str, path: str) -> tuple[int, str, str]:
    connection = http.client.HTTPConnection(host, timeout=_SECONDS)
    try:
        connection.request("GET", path, headers=_FLAVOR)
        answer = connection.getresponse()
        return answer.status, answer.headers.get("Metadata-Flavor", ""), answer.read(_LARGEST).decode("ascii")
    finally:
        connection.close()
