"""Decides whether release/action.yml runs: the server first, then the event, then the tag.

Standard library only, Python 3.8: it runs before anything is installed, and a skip contacts nobody.
"""

from __future__ import annotations

from replicator.bootstrap.decide import Decision, Event, WrongInput, decide

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

TAG_PATTERN = "v*, boot-v*"
_PORTS = {"https": "443", "http": "80"}


def from_env(env: Mapping[str, str]) -> Decision:
    """Return the decision for this run. Raises WrongInput."""
    server = env.get("GITHUB_SERVER_URL", "").strip()
    if not server:
        text = "is needed: GITHUB_SERVER_URL is empty, so nobody can tell whether this server is one to skip"
        raise WrongInput([("server_url", text)])
    if canonical(server) in map(canonical, env.get("INPUT_SKIP_SERVER_URLS", "").replace(",", " ").split()):
        return Decision(False, f"the server {canonical(server)} is in skip_server_urls", more=_skipped("server"))
    distribute, pattern = env.get("INPUT_DISTRIBUTE", ""), env.get("INPUT_TAG_PATTERN", "") or TAG_PATTERN
    event = Event.from_env(env)
    decision = decide(event, distribute, pattern)
    has_tag = bool(env.get("INPUT_RELEASE_TAG", "").strip()) or event.is_tag
    if decision.replicate and not has_tag:
        raise WrongInput([("release_tag", f"is needed on {event.name} of a branch: name the tag to release")])
    if not decision.replicate:
        is_off = distribute.strip().lower() == "false"
        if event.name == "workflow_dispatch" and not is_off:
            if not has_tag:
                text = "is needed on a dispatch from a branch: name the tag to release, or dispatch on a tag"
                raise WrongInput([("release_tag", text)])
            return Decision(True, "the dispatch names a tag")
        reason = "distribute" if is_off else "tag" if event.name == "push" and event.is_tag else "event"
        decision.more = _skipped(reason)
    return decision


def canonical(url: str) -> str:
    """Return a server's address without what makes no difference: case of the host, usual port, dots and slashes."""
    scheme, separator, rest = url.strip().partition("://")
    if not separator:
        return url
    host, slash, path = rest.partition("/")
    scheme = scheme.lower()
    name, colon, port = host.lower().rpartition(":")
    if not colon:
        name, port = port, ""
    name = name.rstrip(".")
    if port and port != _PORTS.get(scheme):
        name += ":" + port
    return "{}://{}{}".format(scheme, name, (slash + path).rstrip("/"))


def _skipped(reason: str) -> dict[str, str]:
    return {"skipped_reason": reason}
