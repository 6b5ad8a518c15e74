"""Lists the failures that end a release, one for each reason of the closed list, and tells by which a forge refuses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from replicator.core.errors import Advice, ExitCode, ReplicatorError

if TYPE_CHECKING:
    from replicator.commands.release.forges.answer import Answer

_PERMISSION = "permissions:\n  contents: write"
_NEW_TAG = "Push a new tag, for example with the next number, and run this for it."

TAG_ELSEWHERE = Advice(
    title="Tag at another commit",
    meaning="The tag is at another commit than the files were built from; nothing was written.",
    why="A release whose tag shows other sources than its files came from can't be traced.",
    remedy="Build the commit that the tag is at, or push a new tag.",
    exit_code=ExitCode.FAILED,
)
RELEASE_DIFFERS = Advice(
    title="Release differs",
    meaning="The release lacks a file, or holds another one of that name, and `replace` doesn't allow to change it.",
    remedy="If the files here are the right ones, set replace: always and run this again; else push a new tag.",
    exit_code=ExitCode.FAILED,
)
RELEASE_IMMUTABLE = Advice(
    title="Release is immutable",
    meaning="The published release is immutable and isn't what is wanted.",
    why="This tag can never be completed: its assets are fixed, and deleting the release doesn't free the tag.",
    remedy=_NEW_TAG,
    exit_code=ExitCode.FAILED,
)
TAG_BURNED = Advice(
    title="Tag can't be used again",
    meaning="An immutable release had this tag and was deleted.",
    why="The forge never gives such a tag to another release.",
    remedy=_NEW_TAG,
    exit_code=ExitCode.FAILED,
)
AMBIGUOUS = Advice(
    title="Several drafts",
    meaning="Several drafts of the tag hold assets, and none of them was made by this program; nothing was written.",
    remedy="Delete all but one of them, or all, and run this again.",
    exit_code=ExitCode.FAILED,
)
ASSET_REFUSED = Advice(
    title="Asset refused",
    meaning="The forge refused a file for its size, its type or its name; nothing was published.",
    remedy="Read the forge's message: on Gitea and Forgejo an administrator sets the limits of size and type.",
    exit_code=ExitCode.FAILED,
)
TOO_LARGE = Advice(
    title="Release too large",
    meaning="A file of 2 GiB or more, or more than 1,000 assets; nothing was written.",
    remedy="Compress or split the file, or put fewer files on one release.",
    exit_code=ExitCode.FAILED,
)
CHANGED_MEANWHILE = Advice(
    title="File changed meanwhile",
    meaning="A file was written to after it was hashed; nothing was published.",
    remedy="Let the build end before this step, and run this again.",
    exit_code=ExitCode.FAILED,
)
TAG_BLOCKED = Advice(
    title="Tag is protected",
    meaning="A rule of the repository forbids this token to create the tag.",
    remedy="Push the tag yourself, or let the rule admit this workflow.",
    exit_code=ExitCode.FAILED,
)
FOREIGN_HOST = Advice(
    title="Another host",
    meaning="The forge names a host for uploads or downloads that isn't its own; nothing was sent there.",
    why="The token would reach another host.",
    remedy="Check server_url, and who answers there.",
    exit_code=ExitCode.FAILED,
)
NO_TOKEN = Advice(
    title="No token",
    meaning="There is no token to write the release with.",
    remedy="Give the input token, and let the job write contents; on the command line set GH_TOKEN, GITHUB_TOKEN, "
    "FORGEJO_TOKEN or GITEA_TOKEN, or give token_file.",
    lines=_PERMISSION,
)
FORBIDDEN = Advice(
    title="Token may not do this",
    meaning="The forge refused the token.",
    remedy="Let the token write this repository's contents (Forgejo, Gitea: scope write:repository).",
    lines=_PERMISSION,
)
WORKFLOW_SCOPE = Advice(
    title="Commit changes workflows",
    meaning="GitHub refused to make the release, as it does if its commit adds or changes workflow files.",
    why="The workflow's own token may never do that.",
    remedy="Merge the change of the workflow into the default branch first, or use a token that may change workflows.",
)
NOT_FOUND = Advice(
    title="Repository or release not found",
    meaning="The forge knows no such repository or release, or hides it from this token.",
    remedy="Check server_url, repository and release_tag, and what the token may read.",
)
REPOSITORY_EMPTY = Advice(
    title="Repository is empty",
    meaning="The repository holds no commit, so no tag can be made.",
    remedy="Push the commit first.",
)
ARCHIVED = Advice(
    title="Repository is archived",
    meaning="The repository is archived, so it takes no release.",
    remedy="Unarchive it, or give another repository.",
)
RATE = Advice(
    title="Forge limits requests",
    meaning="The forge takes no more requests for longer than there was time.",
    remedy="Run this again later: it goes on where it stopped. Or raise timeout_minutes.",
)
UNREACHABLE = Advice(
    title="Forge can't be reached",
    meaning="The forge could not be reached, or gave no usable answer.",
    remedy="Check server_url and the network, and run this again: it goes on where it stopped.",
)
DEADLINE = Advice(
    title="Out of time",
    meaning="timeout_minutes passed before all was done; the draft of a release stays invisible.",
    remedy="Run this again: it goes on where it stopped. Or raise timeout_minutes.",
)
NOT_VERIFIED = Advice(
    title="Release could not be read back",
    meaning="The release was published, but reading it back doesn't show what was published.",
    remedy="Look at the release; then run this again, which checks it and changes nothing that is right.",
)
NOT_WRITTEN = Advice(
    title="Checksums can't be written",
    meaning="SHA256SUMS or its signature could not be written, so nothing was published.",
    remedy="Make room in RUNNER_TEMP, or let the step write there; then run this again.",
)
RELEASE_WRONG = Advice(
    title="Release is wrong",
    meaning="`release show` found an asset missing or different.",
    remedy="Don't use it. Ask its publisher, or run `release publish` again with the right files.",
    exit_code=ExitCode.FAILED,
)
RELEASE_UNREAD = Advice(
    title="Release can't be read",
    meaning="`release show` could not read the release or one of its assets, so nothing is known about it.",
    remedy="Check server_url, repository, release_tag and the network; then run this again.",
    exit_code=ExitCode.UNREACHABLE,
)

#: The output `reason`'s first word, and what scripts may compare.
REASONS = {
    advice: name.lower()
    for name, advice in list(vars().items())
    if isinstance(advice, Advice) and name not in {"RELEASE_WRONG", "RELEASE_UNREAD"}
}
BY_REASON = {reason: advice for advice, reason in REASONS.items()}

_PROTECTED = re.compile(r"protect|ruleset|rule violation|not allowed to create|tag protection", re.IGNORECASE)
_BURNED = re.compile(r"used by an immutable release", re.IGNORECASE)
_IMMUTABLE = re.compile(r"immutable release", re.IGNORECASE)


def of_tag(answer: Answer, tag: str) -> ReplicatorError:
    """Why the tag could not be created."""
    if answer.status in {403, 405, 422} and _PROTECTED.search(answer.said):
        return _error(TAG_BLOCKED, f"create the tag {tag}", answer)
    if answer.status == 404:
        return _error(NOT_FOUND, f"create the tag {tag}", answer, "The commit must be in the repository.")
    return other(answer, f"create the tag {tag}")


def of_release(answer: Answer, tag: str, *, github: bool) -> ReplicatorError:
    """Why the release could not be created or published."""
    if _BURNED.search(answer.said):
        return _error(TAG_BURNED, f"make the release {tag}", answer)
    if _IMMUTABLE.search(answer.said):
        return _error(RELEASE_IMMUTABLE, f"change the release {tag}", answer)
    if _PROTECTED.search(answer.said):
        return _error(TAG_BLOCKED, f"make the release {tag}", answer)
    if github and answer.status == 404:
        # The repository was read, so it is there: this is how GitHub refuses a commit that changes workflows.
        return _error(WORKFLOW_SCOPE, f"make the release {tag}", answer)
    return other(answer, f"make the release {tag}")


def of_asset(answer: Answer, name: str) -> ReplicatorError:
    """Why an asset could not be uploaded or renamed."""
    if _IMMUTABLE.search(answer.said):
        return _error(RELEASE_IMMUTABLE, f"upload {name}", answer)
    if answer.status in {400, 413, 415, 422}:
        return _error(ASSET_REFUSED, f"upload {name}", answer)
    return other(answer, f"upload {name}")


def other(answer: Answer, doing: str) -> ReplicatorError:
    """Why anything else was refused."""
    if answer.status == 401:
        return _error(FORBIDDEN, doing, answer, "The token is invalid or has expired.")
    if answer.status in {403, 423}:
        return _error(FORBIDDEN, doing, answer)
    if answer.status == 404:
        return _error(NOT_FOUND, doing, answer)
    return _error(UNREACHABLE, doing, answer)


def _error(row: Advice, doing: str, answer: Answer, more: str = "") -> ReplicatorError:
    said = f": {answer.said}" if answer.said else ""
    return ReplicatorError(
        row, f"The forge refused to {doing} ({answer.status}{said})", remedy=more and f"{more} {row.remedy}"
    )
