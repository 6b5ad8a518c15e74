"""Says that an action shows only its plan on a pull request, which must change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.runtime.runner import Annotation

if TYPE_CHECKING:
    from collections.abc import Mapping


def only_planned(env: Mapping[str, str], *, of_action: bool) -> Annotation | None:
    """Return the warning that nothing is changed, if an action runs for a pull request; else None."""
    event = env.get("GITHUB_EVENT_NAME", "")
    if not (of_action and event.startswith("pull_request")):
        return None
    return Annotation("warning", "Dry run", f"Nothing is changed on {event}: only the plan is shown.")
