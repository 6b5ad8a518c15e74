"""Renders the job summary of a dry run: what would be done where, and the command that does it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.replicas.summary import table
from replicator.replicas.summary.page import diagrams, head
from replicator.runtime.markdown import fence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from replicator.core.images import Image
    from replicator.core.replicas import ReplicaResult
    from replicator.runtime.verdict import Verdict


def render(
    verdict: Verdict,
    source: Image,
    rows: Sequence[ReplicaResult],
    steps: Mapping[str, str],
    notes: Sequence[str],
    does_it: Sequence[str],
    costs: Sequence[str],
) -> str:
    """Return the whole summary. `steps` maps each location to what would be done there.

    `does_it` is the command that carries the plan out; empty if it would change nothing.
    """
    parts = head(verdict, source, [row for row in rows if row.error], notes, costs)
    parts += ["#### What a run would do", "", *table.planned(rows, steps)]
    parts += diagrams(rows)
    if not does_it:
        parts.append("Everything is as wanted already: a run would change nothing.")
    else:
        parts += [
            "#### ▶️ To carry it out",
            "",
            "Run the action with <code>dry_run: false</code> for this image, or, from any machine with uv:",
            "",
            fence("sh", does_it),
        ]
    return "\n".join(parts).rstrip() + "\n"
