"""The machine that a CI system runs our container image on, and an emulator that lets in only those who have signed in."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from emulator.testing import Running, running
from testkit.identity import Identity
from testkit.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = ROOT / "ci-examples"
#: What every example calls our container image, but for the digest.
OUR_IMAGE = "ghcr.io/gce-image-replicator/gce-image-replicator@sha256:"
SOURCE = "projects/my-project/global/images/web-v1"
IMAGES = {
    "IMAGE_US": SOURCE,
    "IMAGE_EU": "projects/my-project/global/images/web-v1-eu",
    "IMAGE_ASIA": "projects/my-project/global/images/web-v1-asia",
}


@dataclass(frozen=True, slots=True)
class Machine:
    """What is around a build: Compute Engine's API, and those who give tokens for it."""

    emulator: Running
    identity: Identity

    def env(self, home: Path) -> dict[str, str]:
        """The variables of a process in our container image, which finds our command on PATH."""
        return {
            "PATH": os.pathsep.join([str(Path(sys.prefix) / "bin"), "/usr/local/bin", "/usr/bin", "/bin"]),
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": f"{self.emulator.url}/",
        }

    def metadata(self) -> dict[str, str]:
        """Where a process on one of Google's machines finds its metadata server."""
        return {
            "GCE_METADATA_HOST": self.identity.host,
            "GCE_METADATA_IP": self.identity.host,
            "GCE_METADATA_TIMEOUT": "5",
        }


@contextmanager
def machine() -> Iterator[Machine]:
    """A machine, and the source image of the examples."""
    with running(copy_seconds=0.05) as emulator, Identity() as identity:
        emulator.add_image(project="my-project", name="web-v1", family="web", location="us")
        identity.guard(emulator)
        yield Machine(emulator, identity)


def variables(path: Path) -> dict[str, str]:
    """What a file of `NAME=value` lines says."""
    return dict(line.split("=", 1) for line in path.read_text("utf-8").splitlines())
