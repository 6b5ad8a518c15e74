"""Notes every change of an image in an emulator, by id, whoever made it: what an oracle judges."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from emulator.compute import images, policies
from testkit.pairs.case import OTHERS, RUN, Deed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from emulator.compute.state import Change, Image, State
    from emulator.testing import Running


class History:
    """The deeds since it began, and what stood there then."""

    def __init__(self, emulator: Running) -> None:
        self._emulator = emulator
        self._state = emulator.compute.state
        self._commit = self._state.commit
        self._by = RUN
        self._asked: dict[str, list[int]] = {}
        """Image's id → when changes were asked for that show later."""
        self.deeds: list[Deed] = []
        self.begun: list[dict[str, Any]] = emulator.state()["images"]

    def others(self, act: Callable[[State, float], object]) -> None:
        """Let somebody else do something to the state, at that moment."""

        def go() -> None:
            now = self._emulator.app.clock.now()
            # What the run asked for comes first.
            list(self._state.images(None, now))
            self._by = OTHERS
            try:
                act(self._state, now)
            finally:
                self._by = RUN

        self._emulator.run(go)

    def see(self, change: Change) -> None:
        """Make a change, as the state does, and note it."""
        if change.later:
            self._asked.setdefault(change.later.image.id, []).append(self._arrived())
        pairs = [(self._state._images.get((image.project, image.name)), image) for image in change.images]
        gone = [(image, None) for image in change.removed]
        standing = [(self._standing(before), self._standing(after)) for before, after in [*pairs, *gone]]
        notes = [self._note(before, after) for before, after in standing if before or after]
        self._commit(change)
        self.deeds += [note() for note in notes]

    @staticmethod
    def _standing(image: Image | None) -> Image | None:
        """The image, unless it is being deleted: nothing but time can happen to it any more."""
        return None if image is not None and image.gone is not None else image

    def _note(self, before: Image | None, after: Image | None) -> Callable[[], Deed]:
        """A deed that is still to be done, and told once it is."""
        image = after or before
        assert image is not None
        now, project = self._emulator.app.clock.now(), image.project
        families = {str(each.fields["family"]) for each in (before, after) if each and each.fields.get("family")}
        heads = {family: self._head(project, family, now) for family in families}
        late = self._by == RUN and before is not None and self._asked.get(before.id)
        at = late.pop(0) if late and (after is None or after.policy is before.policy) else self._arrived()  # type: ignore[union-attr]

        def told() -> Deed:
            return Deed(
                by=self._by,
                at=at,
                path=image.path,
                before=_shown(before, now) if before else None,
                after=_shown(after, now) if after else None,
                heads={family: (head, self._head(project, family, now)) for family, head in heads.items()},
            )

        return told

    def _head(self, project: str, family: str, now: float) -> str | None:
        members = [
            image
            for image in self._state._images.values()
            if (image.project, image.fields.get("family"), image.status(now)) == (project, family, "READY")
            and image.fields.get("deprecated", {}).get("state", "ACTIVE") == "ACTIVE"
        ]
        return max(members, key=lambda image: image.created).id if members else None

    def _arrived(self) -> int:
        return len(self._emulator.app.journal._entries)


def _shown(image: Image, now: float) -> dict[str, Any]:
    return {
        **images.render(image, now),
        "project": image.project,
        "policy": policies.render(image.policy, 3),
        "becomes": image.becomes,
    }


@contextmanager
def recorded(emulator: Running) -> Iterator[History]:
    """The history of what happens within the block."""
    history = History(emulator)
    state = emulator.compute.state
    state.commit = history.see  # type: ignore[method-assign]
    try:
        yield history
    finally:
        del state.commit
