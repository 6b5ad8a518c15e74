"""Events that start workflows, by name."""

from __future__ import annotations

from testkit.harness.job import Event, branch_push, on_branch, pull_request, tag_deletion, tag_push


def dispatch(**inputs: str) -> Event:
    return Event(name="workflow_dispatch", ref="refs/heads/main", payload={"inputs": inputs} if inputs else {})


def release(tag: str) -> Event:
    return Event(name="release", payload={"action": "published", "release": {"tag_name": tag}})


EVENTS = {
    "tag": tag_push("v1.2.3"),
    "another tag": tag_push("nightly-1"),
    "deleted tag": tag_deletion("v1.2.3"),
    "branch": branch_push(),
    "pull request": pull_request(),
    "pull request of a fork": pull_request(fork=True),
    "dispatch, true": dispatch(distribute="true"),
    "dispatch, false": dispatch(distribute="false"),
    "dispatch, absent": dispatch(),
    "schedule": on_branch("schedule"),
    "release": release("v1.2.3"),
    "repository_dispatch": on_branch("repository_dispatch"),
    "pull_request_target": Event(name="pull_request_target", payload=pull_request().payload),
    "workflow_run": on_branch("workflow_run"),
    "merge_group": on_branch("merge_group"),
    "issue_comment": on_branch("issue_comment"),
}
