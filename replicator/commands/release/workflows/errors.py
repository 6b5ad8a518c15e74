"""Lists the failures of `dispatch` and `runs`, and tells by which a forge refuses to start a workflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.commands.release import errors as forge_rows
from replicator.core.errors import Advice, ExitCode, ReplicatorError

if TYPE_CHECKING:
    from replicator.commands.release.forges.answer import Answer

_PERMISSION = "permissions:\n  actions: write"
_LOOK = "Look at the list of runs first: a second dispatch starts a second run."

MAY_NOT_DISPATCH = Advice(
    title="Token may not start workflows",
    meaning="There is no token, or the forge refused it.",
    remedy="Set GH_TOKEN, GITHUB_TOKEN, FORGEJO_TOKEN or GITEA_TOKEN, or give token_file: a token that may write the "
    "repository's actions (Forgejo, Gitea: scope write:repository).",
    lines=_PERMISSION,
)
WORKFLOW_NOT_FOUND = Advice(
    title="Workflow, ref or repository not found",
    meaning="The forge knows no such workflow, ref or repository, or hides it from this token.",
    remedy="Check workflow (its file's name), ref, repository, and what the token may read. GitHub knows a workflow "
    "only once its file is on the default branch.",
)
DISPATCH_REFUSED = Advice(
    title="Dispatch refused",
    meaning="The forge refused to start the workflow, for its inputs, or because it has no trigger for a dispatch, or "
    "is disabled. Nothing was started.",
    remedy="Compare the inputs with those that the workflow declares at that ref.",
    exit_code=ExitCode.FAILED,
)
DISPATCH_UNCLEAR = Advice(
    title="Dispatch without a clear answer",
    meaning="The forge gave no clear answer to the dispatch, so the workflow may have been started.",
    why="A dispatch is never repeated, because each one starts a run.",
    remedy=_LOOK,
)
RUN_FAILED = Advice(
    title="Run failed",
    meaning="The run ended, and not with success.",
    remedy="`replicator runs logs` shows why.",
    exit_code=ExitCode.FAILED,
)
NOT_FOLLOWED = Advice(
    title="Run could not be followed",
    meaning="The workflow was started, but the end of its run wasn't seen.",
    remedy="`replicator runs show` shows what became of it. Don't dispatch again: that starts a second run.",
)
NOT_SUPPORTED = Advice(
    title="Forge can't do this",
    meaning="The forge's API lacks what is asked for: Forgejo tells the jobs and logs of a run from version 16 on.",
    remedy="Look at the address that the message names.",
)
RUN_UNREAD = Advice(
    title="Run can't be read",
    meaning="`runs` could not read the run, its jobs or a log.",
    remedy="Check the run's id, server_url, repository, and what the token may read (its actions).",
    exit_code=ExitCode.UNREACHABLE,
)

#: The word that the reason begins with. Beside those of releases: `rate`, `unreachable`, `deadline`, `foreign_host`.
REASONS = {
    **forge_rows.REASONS,
    MAY_NOT_DISPATCH: "forbidden",
    WORKFLOW_NOT_FOUND: "not_found",
    DISPATCH_REFUSED: "dispatch_refused",
    DISPATCH_UNCLEAR: "unclear",
    RUN_FAILED: "run_failed",
    NOT_FOLLOWED: "not_followed",
    NOT_SUPPORTED: "not_supported",
    RUN_UNREAD: "unread",
}


def of_dispatch(answer: Answer, workflow: str, ref: str) -> ReplicatorError:
    """Why a workflow could not be started."""
    said = f": {answer.said}" if answer.said else ""
    what = f"The forge refused to start {workflow} at {ref} ({answer.status}{said})"
    if answer.status in {400, 409, 422} or (answer.status == 403 and "disabled" in answer.said.lower()):
        return ReplicatorError(DISPATCH_REFUSED, what)
    if answer.status in {401, 403}:
        return ReplicatorError(MAY_NOT_DISPATCH, what)
    if answer.status == 404:
        return ReplicatorError(WORKFLOW_NOT_FOUND, what)
    return ReplicatorError(forge_rows.UNREACHABLE, what)
