"""Parses which image is the source, from `source_image` or from a Packer manifest."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from replicator.bootstrap.quote import is_secret, quoted
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
            raise BadSource("source_image", f"{quoted(text)} isn't a valid image reference; write {_FORMS}")
        return ImageRef(_project(project_id, "", env, text), text)
    project, name = match["project"], match["name"]
    for part, valid in ((project, is_project(project)), (name, names.is_valid(name))):
        if not valid:
            raise BadSource(
                "source_image", f"{quoted(text)} holds {quoted(part)}, which Compute Engine can't have; write {_FORMS}"
            )
    if project_id and project_id != project:
        raise BadSource(
            "project_id",
            f"{quoted(project_id)} is not the project of source_image ({quoted(project)}): leave one of the two out",
        )
    return FamilyRef(project, name) if match["family"] else ImageRef(project, name)


def from_manifest(text: str, project_id: str, env: Mapping[str, str]) -> ImageRef:
    """Return the image of the one googlecompute build in the manifest's last run. Raises BadSource.

    Packer appends to the file, so builds of earlier runs and of other builders are skipped. `artifact_id` is the bare
    name of the image (Packer 1.16, googlecompute plugin 1.2.8).
    """
    last = _last_builds(text)
    builds = [build for build in last if _builder(build) == "googlecompute"]
    if not builds:
        others = ", ".join(sorted({quoted(_builder(build) or "none") for build in last})) or "none"
        raise BadSource(
            "packer_manifest",
            f"its last run holds no build of the googlecompute builder (its builders: {others}). Where a "
            "post-processor such as googlecompute-import made the image, name it with source_image",
        )
    made = list(dict.fromkeys(_image(build, project_id, env) for build in builds))
    if len(made) > 1:
        listed = ", ".join(ref.name for ref in made)
        raise BadSource(
            "packer_manifest",
            f"its last run made {len(made)} images ({listed}); one run of the action takes one: "
            "name it with source_image, or run a matrix of several",
        )
    return made[0]


def _image(build: Mapping[str, Any], project_id: str, env: Mapping[str, str]) -> ImageRef:
    name, custom = _artifact(build), _custom_data(build)
    noted = custom.get("project_id", "")
    return ImageRef(_project(project_id, noted if isinstance(noted, str) else "", env, name, custom), name)


def _custom_data(build: Mapping[str, Any]) -> Mapping[str, Any]:
    custom = build.get("custom_data")
    return custom if isinstance(custom, dict) else {}


def _builder(build: Mapping[str, Any]) -> str:
    given = build.get("builder_type")
    return given.split(".")[-1] if isinstance(given, str) else ""


def _artifact(build: Mapping[str, Any]) -> str:
    name = build.get("artifact_id")
    if name == "":
        raise BadSource(
            "packer_manifest",
            "its last build names no image (its artifact_id is empty, as after a post-processor that keeps none): name "
            "the image with source_image",
        )
    if not isinstance(name, str) or not names.is_valid(name):
        shown = quoted(name) if isinstance(name, str) else "in it"
        raise BadSource("packer_manifest", f"the artifact_id {shown} of its last build isn't a valid image name")
    return name


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


def project_note(project_id: str, reference: str, manifest: str, env: Mapping[str, str]) -> str:
    """Return a note on which variable named the source's project; empty if an input or the manifest named it.

    The variable may name another project than the image's: that of the service account.
    """
    variable = _project_variable(env)
    if project_id or not variable or "/" in reference:
        return ""
    builds = [build for build in _last_builds(manifest) if _builder(build) == "googlecompute"] if manifest else []
    custom = _custom_data(builds[0]) if builds else {}
    if custom.get("project_id"):
        return ""
    keys = f"; the manifest's custom_data has {_keys(custom)}, and no project_id" if custom else ""
    return f"The source's project is taken from the variable {variable}: {quoted(env[variable])}{keys}."


def _project(
    project_id: str, noted: str, env: Mapping[str, str], image: str, custom_data: Mapping[str, Any] | None = None
) -> str:
    variable = _project_variable(env)
    found = project_id or noted or env.get(variable, "")
    if not found:
        keys = f" (its custom_data has {_keys(custom_data)})" if custom_data else ""
        raise BadSource(
            "project_id",
            f"is needed, because {quoted(image)} doesn't name its project: set it, or custom_data.project_id in the "
            f"manifest{keys}, or {PROJECT_VARIABLES[0]}",
        )
    if not is_project(found) or is_secret(found):
        origin = "" if project_id else f" (from {'custom_data.project_id' if noted else variable})"
        raise BadSource("project_id", f"{quoted(found)}{origin} can't be the id of a project")
    return found


def project_from(env: Mapping[str, str]) -> str:
    """Return the project that the variables of google-github-actions/auth name; empty if none does."""
    return env.get(_project_variable(env), "")


def _project_variable(env: Mapping[str, str]) -> str:
    return next((name for name in PROJECT_VARIABLES if env.get(name)), "")


def _keys(custom_data: Mapping[str, Any]) -> str:
    return ", ".join(quoted(key) for key in custom_data)
