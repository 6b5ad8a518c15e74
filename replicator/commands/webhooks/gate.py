"""Decides whether notify/action.yml runs: by the event as everywhere, then whether there is anything to announce.

Standard library only, Python 3.8: it runs before anything is installed, and a skip contacts nobody.
"""

from __future__ import annotations

from replicator.bootstrap.decide import Decision, Event, WrongInput, decide

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

TAG_PATTERN = "v*, boot-v*"


def from_env(env: Mapping[str, str]) -> Decision:
    """Return the decision for this run. Raises WrongInput."""
    pattern = env.get("INPUT_TAG_PATTERN", "").strip() or TAG_PATTERN
    decision = decide(Event.from_env(env), env.get("INPUT_DISTRIBUTE", ""), pattern)
    if not decision.replicate:
        return decision
    if not env.get("INPUT_WEBHOOK_URL", "").strip():
        # It comes from an unset variable or secret mostly, and a release that nobody is told of looks like success.
        text = "is needed, and is empty: check the name of the variable or secret that it comes from"
        raise WrongInput([("webhook_url", text)])
    if not env.get("INPUT_INDEX", "").strip():
        return Decision(False, "index is empty, so there is nothing to announce", notice=True)
    return decision
