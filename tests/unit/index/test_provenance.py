from __future__ import annotations

import json
from typing import Any

import pytest

from replicator.index import provenance
from testkit.resolve import resolving

UUID = "0f0e0d0c-0b0a-0908-0706-050403020100"
CLOUD_BUILD = {
    "PROJECT_ID": "p", "BUILD_ID": UUID, "LOCATION": "us-east1", "REPO_FULL_NAME": "o/r", "TAG_NAME": "v1",
    "COMMIT_SHA": "abc",
}  # fmt: skip
GITLAB = {
    "GITLAB_CI": "true", "CI_PROJECT_URL": "https://gitlab.com/o/r", "CI_RUNNER_ID": "7", "CI_COMMIT_TAG": "v1",
    "CI_COMMIT_SHA": "abc", "CI_JOB_URL": "https://gitlab.com/o/r/-/jobs/9", "CI_PROJECT_ID": "4",
}  # fmt: skip


def predicate(env: dict[str, str]) -> Any:
    return json.loads(provenance.statement(resolving.index(), env))["predicate"]


@pytest.mark.parametrize(
    ("env", "builder", "commit", "inner"),
    [
        (
            GITLAB,
            "https://gitlab.com/o/r/-/runners/7",
            {"uri": "git+https://gitlab.com/o/r@refs/tags/v1"},
            {"gitlab": {"project_id": "4"}},
        ),
        (
            CLOUD_BUILD,
            "https://cloudbuild.googleapis.com/v1/projects/p/locations/us-east1",
            {"name": "o/r@refs/tags/v1"},
            {"cloud_build": {"project_id": "p"}},
        ),
    ],
)
def test_the_builder_of_each_forge(env: dict[str, str], builder: str, commit: Any, inner: Any) -> None:
    said = predicate(env)
    assert said["runDetails"]["builder"] == {"id": builder}
    assert said["buildDefinition"]["internalParameters"] == inner
    assert said["buildDefinition"]["externalParameters"] == {"workflow": {}}
    first, *sources = said["buildDefinition"]["resolvedDependencies"]
    assert first == {**commit, "digest": {"gitCommit": "abc"}}
    assert all("annotations" in item for item in sources)
    assert provenance.sources(provenance.statement(resolving.index(), env)) == {(resolving.URI, "1001")}


@pytest.mark.parametrize("env", [{}, {"BUILD_ID": "17", "GIT_COMMIT": "abc"}, {"GITLAB_CI": "true"}])
def test_a_builder_that_is_unknown_is_not_guessed(env: dict[str, str]) -> None:
    said = predicate(env)
    assert said["runDetails"]["builder"] == {"id": provenance.HOME}
    assert said["runDetails"]["metadata"] == {}
    assert len(said["buildDefinition"]["resolvedDependencies"]) == 1
