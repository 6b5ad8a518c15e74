"""Reads from the environment which CI system runs this, and what it says of the build: commit, builder, run.

The systems are a closed list: another one's variables would be a guess, and what is guessed here gets signed. Each
entry names the documented variables of its system; Cloud Build has none, so its steps must map its substitutions to
variables of the same names (ci-examples/cloudbuild.yaml does).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What `revision: auto` can be used on, for messages.
KNOWN = "workflows of GitHub, Forgejo and Gitea, GitLab CI/CD, and Cloud Build"
_GITHUB_URL = "https://github.com"
_CLOUD_BUILD = "https://cloudbuild.googleapis.com/v1"
#: Jenkins has a BUILD_ID as well, which is a number.
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CiBuild:
    """One build on a CI system. Texts are empty where the system says nothing."""

    system: str
    """`github` (Forgejo and Gitea too), `gitlab` or `cloud_build`: the key of its parameters in the provenance."""
    title: str
    """What people call the system."""
    repository: str
    """Owner and name of the repository, without its server."""
    ref: str
    """The full ref, `refs/tags/v1`."""
    commit: str
    variables: Mapping[str, str]
    """Which variables say `repository`, `ref` and `commit`, for messages."""
    url: str = ""
    """Where the repository is."""
    builder: str = ""
    """The URI of what ran the build, as this system's own provenance names it, or as its API addresses it."""
    run: str = ""
    """The URL of this run."""
    workflow: Mapping[str, str] = field(default_factory=dict)
    """Where a workflow file ran, its `repository`, `path` and `ref`."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """What else the system says of the run."""


def of(env: Mapping[str, str]) -> CiBuild | None:
    """Return the build that this environment is of; None on a CI system that isn't known, and on none."""
    if env.get("GITHUB_ACTIONS") == "true":
        return _github(env)
    if env.get("GITLAB_CI") == "true":
        return _gitlab(env)
    if env.get("PROJECT_ID") and _UUID.fullmatch(env.get("BUILD_ID", "")):
        return _cloud_build(env)
    return _github(env) if any(env.get(f"GITHUB_{name}") for name in ("REPOSITORY", "REF", "SHA")) else None


def _told(env: Mapping[str, str], named: Mapping[str, str]) -> dict[str, str]:
    return {name: env[variable] for name, variable in named.items() if env.get(variable)}


def _ref(tag: str, branch: str) -> str:
    return f"refs/tags/{tag}" if tag else f"refs/heads/{branch}" if branch else ""


def _github(env: Mapping[str, str]) -> CiBuild:
    server, repository = env.get("GITHUB_SERVER_URL", _GITHUB_URL), env.get("GITHUB_REPOSITORY", "")
    url = f"{server}/{repository}"
    workflow = env.get("GITHUB_WORKFLOW_REF", "")
    path, _, ref = workflow.partition("@")
    run, attempt = env.get("GITHUB_RUN_ID", ""), env.get("GITHUB_RUN_ATTEMPT", "1")
    return CiBuild(
        system="github",
        title="GitHub",
        repository=repository,
        ref=env.get("GITHUB_REF", ""),
        commit=env.get("GITHUB_SHA", ""),
        variables={"repository": "GITHUB_REPOSITORY", "ref": "GITHUB_REF", "commit": "GITHUB_SHA"},
        url=url,
        builder=f"{server}/{workflow}" if workflow else "",
        run=f"{url}/actions/runs/{run}/attempts/{attempt}" if run else "",
        workflow={"ref": ref, "repository": url, "path": path.removeprefix(f"{repository}/")} if workflow else {},
        parameters=_told(
            env,
            {
                "event_name": "GITHUB_EVENT_NAME",
                "repository_id": "GITHUB_REPOSITORY_ID",
                "repository_owner_id": "GITHUB_REPOSITORY_OWNER_ID",
                "runner_environment": "RUNNER_ENVIRONMENT",
            },
        ),
    )


def _gitlab(env: Mapping[str, str]) -> CiBuild:
    tag, branch = env.get("CI_COMMIT_TAG", ""), env.get("CI_COMMIT_BRANCH", "")
    url, runner = env.get("CI_PROJECT_URL", ""), env.get("CI_RUNNER_ID", "")
    # A pipeline of a merge request has neither tag nor branch.
    ref = _ref(tag, branch) or env.get("CI_MERGE_REQUEST_REF_PATH", "")
    return CiBuild(
        system="gitlab",
        title="GitLab",
        repository=env.get("CI_PROJECT_PATH", ""),
        ref=ref,
        commit=env.get("CI_COMMIT_SHA", ""),
        variables={
            "repository": "CI_PROJECT_PATH",
            "ref": "CI_COMMIT_TAG, CI_COMMIT_BRANCH or CI_MERGE_REQUEST_REF_PATH",
            "commit": "CI_COMMIT_SHA",
        },
        url=url,
        builder=f"{url}/-/runners/{runner}" if url and runner else "",
        run=env.get("CI_JOB_URL", ""),
        parameters=_told(
            env,
            {
                "pipeline_source": "CI_PIPELINE_SOURCE",
                "project_id": "CI_PROJECT_ID",
                "project_namespace_id": "CI_PROJECT_NAMESPACE_ID",
                "config_path": "CI_CONFIG_PATH",
                "ref_protected": "CI_COMMIT_REF_PROTECTED",
            },
        ),
    )


def _cloud_build(env: Mapping[str, str]) -> CiBuild:
    tag, branch = env.get("TAG_NAME", ""), env.get("BRANCH_NAME", "")
    # Its own provenance names a worker that Google hosts, which a private pool isn't; nothing here tells them apart.
    place = f"{_CLOUD_BUILD}/projects/{env['PROJECT_ID']}/locations/{env.get('LOCATION') or 'global'}"
    return CiBuild(
        system="cloud_build",
        title="Cloud Build",
        repository=env.get("REPO_FULL_NAME", ""),
        ref=_ref(tag, branch),
        commit=env.get("COMMIT_SHA", ""),
        variables={"repository": "REPO_FULL_NAME", "ref": "TAG_NAME or BRANCH_NAME", "commit": "COMMIT_SHA"},
        builder=place,
        run=f"{place}/builds/{env['BUILD_ID']}",
        parameters=_told(env, {"project_id": "PROJECT_ID", "trigger_name": "TRIGGER_NAME"}),
    )
