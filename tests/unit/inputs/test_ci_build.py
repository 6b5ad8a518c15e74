from __future__ import annotations

import pytest

from replicator.inputs import ci_build

UUID = "0f0e0d0c-0b0a-0908-0706-050403020100"
GITLAB = {
    "GITLAB_CI": "true",
    "CI_PROJECT_PATH": "acme/images/web",
    "CI_PROJECT_URL": "https://gitlab.example/acme/images/web",
    "CI_COMMIT_SHA": "abc",
    "CI_COMMIT_TAG": "v1",
    "CI_RUNNER_ID": "7",
    "CI_JOB_URL": "https://gitlab.example/acme/images/web/-/jobs/9",
    "CI_PIPELINE_SOURCE": "push",
}
CLOUD_BUILD = {
    "PROJECT_ID": "acme-build",
    "BUILD_ID": UUID,
    "LOCATION": "europe-west1",
    "REPO_FULL_NAME": "acme/web",
    "TAG_NAME": "v1",
    "BRANCH_NAME": "",
    "COMMIT_SHA": "abc",
    "TRIGGER_NAME": "release",
}
GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://forgejo.example",
    "GITHUB_REPOSITORY": "acme/web",
    "GITHUB_REF": "refs/tags/v1",
    "GITHUB_SHA": "abc",
    "GITHUB_WORKFLOW_REF": "acme/web/.github/workflows/release.yml@refs/tags/v1",
    "GITHUB_RUN_ID": "5",
}
PLACE = "https://cloudbuild.googleapis.com/v1/projects/acme-build/locations/europe-west1"


@pytest.mark.parametrize(
    ("env", "system", "repository", "builder", "run"),
    [
        (
            GITHUB,
            "github",
            "acme/web",
            "https://forgejo.example/acme/web/.github/workflows/release.yml@refs/tags/v1",
            "https://forgejo.example/acme/web/actions/runs/5/attempts/1",
        ),
        (
            GITLAB,
            "gitlab",
            "acme/images/web",
            "https://gitlab.example/acme/images/web/-/runners/7",
            "https://gitlab.example/acme/images/web/-/jobs/9",
        ),
        (CLOUD_BUILD, "cloud_build", "acme/web", PLACE, f"{PLACE}/builds/{UUID}"),
    ],
)
def test_each_system(env: dict[str, str], system: str, repository: str, builder: str, run: str) -> None:
    build = ci_build.of(env)
    assert build
    assert (build.system, build.repository, build.ref, build.commit) == (system, repository, "refs/tags/v1", "abc")
    assert (build.builder, build.run) == (builder, run)


def test_another_system_is_none() -> None:
    """The list is closed: Jenkins has a BUILD_ID, too, and a project may be named in any shell."""
    assert ci_build.of({"BUILD_ID": "17", "PROJECT_ID": "p", "GIT_COMMIT": "abc"}) is None
    assert ci_build.of({"BUILD_ID": UUID}) is None
    assert ci_build.of({"CI": "true", "CI_COMMIT_SHA": "abc"}) is None
    assert ci_build.of({}) is None


def test_the_runner_counts_before_variables_that_a_job_sets() -> None:
    for env in (GITHUB | GITLAB | CLOUD_BUILD, GITHUB | CLOUD_BUILD):
        build = ci_build.of(env)
        assert build
        assert build.system == "github"
    build = ci_build.of(GITLAB | CLOUD_BUILD | {"GITHUB_SHA": "x"})
    assert build
    assert build.system == "gitlab"


@pytest.mark.parametrize(
    ("more", "ref"),
    [
        ({"CI_COMMIT_TAG": "", "CI_COMMIT_BRANCH": "main"}, "refs/heads/main"),
        (
            {"CI_COMMIT_TAG": "", "CI_MERGE_REQUEST_REF_PATH": "refs/merge-requests/1/head"},
            "refs/merge-requests/1/head",
        ),
        ({"CI_COMMIT_TAG": ""}, ""),
    ],
)
def test_refs_of_gitlab(more: dict[str, str], ref: str) -> None:
    build = ci_build.of(GITLAB | more)
    assert build
    assert build.ref == ref


def test_refs_of_cloud_build() -> None:
    for more, ref in ({"TAG_NAME": "", "BRANCH_NAME": "main"}, "refs/heads/main"), ({"TAG_NAME": ""}, ""):
        build = ci_build.of(CLOUD_BUILD | more)
        assert build
        assert build.ref == ref
