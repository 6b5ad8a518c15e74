from __future__ import annotations

import pytest

from replicator.commands.registry import references
from replicator.commands.registry.mirrors import Image, Mirror
from replicator.commands.registry.pulls import report
from replicator.commands.registry.pulls.verdicts import RIGHT, Held, State, judged
from replicator.core.errors import ExitCode

MIRROR = Mirror("ghcr.io", "us", "example.com:acme", "ghcr-mirror")


def image(suffix: str = ":v1") -> Image:
    return Image(references.parse(f"ghcr.io/org/app{suffix}"), "ghcr.io", "org/app")


IMAGE = image()
ONE, OTHER = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
NOWHERE = Held(status=404)


def held(digest: str = ONE, seconds: float = 0.1) -> Held:
    return Held(status=200, digest=digest, seconds=seconds)


@pytest.mark.parametrize(
    ("here", "there", "state"),
    [
        (held(), held(), State.SAME),
        (held(), held(OTHER), State.DIFFERS),
        (held(), NOWHERE, State.SERVED),
        (held(), Held(status=401), State.SERVED),
        (held(), Held(told="no answer"), State.SERVED),
        (NOWHERE, held(), State.NOT_SERVED),
        (NOWHERE, NOWHERE, State.NOT_UPSTREAM),
        (NOWHERE, Held(status=403), State.NOT_SERVED),
        (Held(status=401), held(), State.DENIED),
        (Held(status=403), NOWHERE, State.DENIED),
        (Held(status=500), held(), State.UNREACHABLE),
        (Held(told="No answer."), held(), State.UNREACHABLE),
    ],
)
def test_two_answers_make_a_verdict(here: Held, there: Held, state: State) -> None:
    pull = judged(IMAGE, MIRROR, here, there)
    assert pull.state is state
    assert pull.text == "us-docker.pkg.dev/example.com/acme/ghcr-mirror/org/app:v1"
    assert pull.message.endswith(".")
    assert bool(report.remarks([pull], commands=True)) == (state not in RIGHT)


def test_001_9_the_first_pull_which_is_slow_is_told_with_its_seconds() -> None:
    slow, quick = (judged(IMAGE, MIRROR, held(seconds=seconds), held()) for seconds in (7.26, 2.9))
    (said,) = slow.notices
    assert said == "The answer took 7.3 s: the first pull of each image fetches it from ghcr.io."
    assert quick.notices == []
    (notice,) = report.remarks([slow, quick], commands=True)
    assert (notice.level, notice.message) == ("notice", said)
    assert report.remarks([slow], commands=False) == []


def test_what_is_asked_for_by_digest_must_have_it() -> None:
    by_digest = image(f":v1@{ONE}")
    assert judged(by_digest, MIRROR, held(), NOWHERE).state is State.SERVED
    assert judged(by_digest, MIRROR, held(OTHER), held(OTHER)).state is State.DIFFERS


@pytest.mark.parametrize(
    ("suffix", "manifest"),
    [("", "latest"), (":v1", "v1"), (f"@{ONE}", ONE), (f":v1@{ONE}", ONE)],
)
def test_a_reference_asks_for_its_digest_else_its_tag(suffix: str, manifest: str) -> None:
    assert references.parse(f"ghcr.io/org/app{suffix}").manifest == manifest


def test_the_verdict_on_many_names_some() -> None:
    right, lost = judged(IMAGE, MIRROR, held(), held()), judged(IMAGE, MIRROR, Held(status=500), held())
    denied = judged(IMAGE, MIRROR, Held(status=403), held())
    assert report.judge([], "All right").reason == "All right"
    assert report.judge([right, right], "All right").exit_code == ExitCode.DONE
    assert report.judge([right, lost], "All right").exit_code == ExitCode.UNREACHABLE
    many = report.judge([lost, *[denied] * 8], "All right")
    assert many.exit_code == ExitCode.FAILED
    assert many.reason.endswith("app:v1 denied, 3 more")
