"""Parses which image is the source, from `source_image` or from a Packer manifest."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from replicator.core import names
from replicator.core.images import ImageRef
from replicator.core.names import is_project
from replicator.inputs import files

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The project variables that google-github-actions/auth and setup-gcloud export, in the order of precedence.
PROJECT_VARIABLES = (
    "GOOGLE_CLOUD_PROJECT",
    "GCLOUD_PROJECT",
    "GCP_PROJECT",
    "CLOUDSDK_CORE_PROJECT",
    "CLOUDSDK_PROJECT",
)

#: Bytes. Packer's manifests have a few kilobytes; they grow with every build that is appended.
_LARGEST_MANIFEST = 10 * 2**20
_REFERENCE = re.compile(
    r"(?:https?://[^/]+/(?:compute/[^/]+/)?|/?compute/[^/]+/|/)?"
    r"projects/(?P<project>[^/]+)/global/images/(?P<family>family/)?(?P<name>[^/]+)"
)
_FORMS = (
    "a name (with project_id), projects/PROJECT/global/images/NAME, its full URL, "
    "or projects/PROJECT/global/images/family/FAMILY"
)


@dataclass(frozen=True, slots=True)
class FamilyRef:
    """A family, whose newest image is the source."""

    project: str
    family: str

    def __str__(self) -> str:
        return f"projects/{self.project}/global/images/family/{self.family}"


SourceRef = ImageRef | FamilyRef


class BadSource(ValueError):
    """The inputs don't name one source; `input` is the one that is wrong."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.input = name


def from_reference(text: str, project_id: str, env: Mapping[str, str]) -> SourceRef:
    """Parse a reference to the source; `project_id` or the environment completes a bare name. Raises BadSource."""
    match = _REFERENCE.fullmatch(unquote(text))
    if match is None:
        if not names.is_valid(text):
            raise BadSource("source_image", f"'{text}' isn't a valid image reference; write {_FORMS}")
        return ImageRef(_project(project_id, "", env, text), text)
    project, name = match["project"], match["name"]
    for part, valid in ((project, is_project(project)), (name, names.is_valid(name))):
        if not valid:
            raise BadSource("source_image", f"'{text}' holds '{part}', which Compute Engine can't have; write {_FORMS}")
    if project_id and project_id != project:
        raise BadSource(
            "project_id", f"'{project_id}' is not the project of source_image ('{project}'): leave one of the two out"
        )
    return FamilyRef(project, name) if match["family"] else ImageRef(project, name)


def from_manifest(text: str, project_id: str, env: Mapping[str, str]) -> ImageRef:
    """Return the image of the one googlecompute build in the manifest's last run. Raises BadSource.

    Packer appends to the file, so builds of earlier runs and of other builders are skipped. `artifact_id` is the bare
    name of the image (Packer 1.16, googlecompute plugin 1.2.8).
    """
    builds = [
        build
        for build in _last_builds(text)
        if isinstance(build.get("builder_type"), str) and build["builder_type"].split(".")[-1] == "googlecompute"
    ]
    if not builds:
        raise BadSource("packer_manifest", "its last run holds no build of the googlecompute builder")
    if len(builds) > 1:
        listed = ", ".join(str(build.get("artifact_id")) for build in builds)
        raise BadSource(
            "packer_manifest",
            f"its last run made {len(builds)} images ({listed}), but a run of the action takes one: "
            "name it with source_image, or run the action in a matrix",
        )
    (build,) = builds
    name, custom = build.get("artifact_id"), build.get("custom_data")
    if not isinstance(name, str) or not names.is_valid(name):
        raise BadSource("packer_manifest", f"the artifact_id {name!r} of its last build isn't a valid image name")
    noted = custom.get("project_id", "") if isinstance(custom, dict) else ""
    return ImageRef(_project(project_id, noted if isinstance(noted, str) else "", env, name), name)


def built_at(text: str) -> datetime | None:
    """When the last build of the manifest's last run ended, as Packer noted it; None where it doesn't say."""
    times = [build.get("build_time") for build in _last_builds(text)]
    # An int of JSON may have any size; Packer's are seconds since 1970, and no year beyond 2200 is one.
    known = [time for time in times if type(time) is int and 0 < time < 2**33]
    return datetime.fromtimestamp(max(known), UTC) if known else None


def read_manifest(given: str, env: Mapping[str, str]) -> str:
    """Return the text of the manifest that the input names. Raises BadSource if the file can't be read."""
    try:
        return files.given(given, env, largest=_LARGEST_MANIFEST)
    except files.Unfit as error:
        advice = "give the path that the manifest post-processor writes to, relative to the workspace"
        raise BadSource("packer_manifest", f"{error}; {advice}") from None


def _last_builds(text: str) -> list[dict[str, Any]]:
    try:
        manifest = json.loads(text, object_pairs_hook=_without_doubles)
        run = manifest["last_run_uuid"]
        builds = [build for build in manifest["builds"] if build["packer_run_uuid"] == run]
    except (ValueError, RecursionError) as error:
        raise BadSource("packer_manifest", f"isn't valid JSON ({error})") from None
    except (KeyError, TypeError, IndexError):
        raise BadSource(
            "packer_manifest",
            "is not what Packer's manifest post-processor writes: `builds` and `last_run_uuid` are needed",
        ) from None
    if not isinstance(run, str) or not run:
        raise BadSource("packer_manifest", "its last_run_uuid is empty")
    return builds


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is given twice")
    return found


def _project(project_id: str, noted: str, env: Mapping[str, str], image: str) -> str:
    found = project_id or noted or next((env[name] for name in PROJECT_VARIABLES if env.get(name)), "")
    if not found:
        raise BadSource(
            "project_id",
            f"is needed, because '{image}' doesn't name its project: set it, or custom_data.project_id in the "
            f"manifest, or {PROJECT_VARIABLES[0]}",
        )
    if not is_project(found):
        raise BadSource("project_id", f"'{found}' can't be the id of a project")
    return found
