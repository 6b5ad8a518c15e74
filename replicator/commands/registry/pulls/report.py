"""Reports on the images that mirrors were asked for: verdict, annotations, and rows of tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.commands.registry.pulls.verdicts import RIGHT, State
from replicator.core.errors import ExitCode
from replicator.core.replicas import Result
from replicator.runtime import markdown
from replicator.runtime.runner import Annotation
from replicator.runtime.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from replicator.commands.registry.pulls.verdicts import Pull

#: Images named in the one sentence of a verdict.
_NAMED = 6


def judge(pulls: Sequence[Pull], said: str) -> Verdict:
    """Return the verdict where the mirrors themselves are right, of which `said` tells."""
    wrong = [pull for pull in pulls if pull.state not in RIGHT]
    if not wrong:
        served = f"; {len(pulls)} of {len(pulls)} images were served" if pulls else ""
        return Verdict(Result.COMPLETE, ExitCode.DONE, said + served)
    listed = ", ".join(f"{pull.text} {pull.state}" for pull in wrong[:_NAMED])
    more = f", {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
    silent = all(pull.state is State.UNREACHABLE for pull in wrong)
    code = ExitCode.UNREACHABLE if silent else ExitCode.FAILED
    return Verdict(Result.FAILED, code, f"Not all images can be pulled through the mirrors: {listed}{more}")


def remarks(pulls: Sequence[Pull], *, commands: bool) -> list[Annotation]:
    """Return an error for each image that can't be pulled; in a runner what else is worth knowing as notices."""
    return [
        *(Annotation("error", pull.text, f"{pull.state}. {pull.message}") for pull in pulls if pull.state not in RIGHT),
        *(Annotation("notice", pull.text, each) for pull in pulls for each in pull.notices if commands),
    ]


def table(pulls: Sequence[Pull]) -> list[list[str]]:
    """Return the rows of the log."""
    return [[pull.mirror.location, str(pull.state), pull.text, pull.told] for pull in pulls]


def rows(pulls: Sequence[Pull]) -> list[str]:
    """Return the rows of the summary: location, image, state, what was found."""
    return [
        f"| {markdown.text(pull.mirror.location)} | {markdown.code(pull.text)} | {pull.state} "
        f"| {markdown.shortened(pull.told)} |"
        for pull in pulls
    ]
