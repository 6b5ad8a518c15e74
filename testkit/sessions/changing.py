"""Images that a session changes, while others change them too or calls fail."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from replicator.compute.rate_limit import Request
from replicator.compute.refusals import Refusal
from replicator.core.images import Operation, Policy, Problem
from replicator.core.replicas import Plan
from replicator.replicas.session import Session
from testkit import make
from testkit.virtual import Cloud, refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from replicator.compute.retry import Calls
    from replicator.core.images import Binding, Image, ImageRef
    from replicator.replicas.work import Work

_T = TypeVar("_T")


class Changing(Cloud):
    """Images that can be changed, too. An operation's change shows at once, though it is DONE after one wait only."""

    def __init__(self, *images: Image) -> None:
        super().__init__(*images)
        self.coming: dict[str, list[Refusal | Callable[[], object] | None]] = defaultdict(list)
        """Method → what becomes of its next calls: why they are refused, or what others do right before them."""
        self.ends: list[Problem | None] = []
        """The error that each of the next operations ends in; the others end well."""
        self.lines: list[str] = []
        """What people read of each replica: location, state and text."""
        self.request_ids: list[str] = []
        self._problems: dict[str, Problem | None] = {}

    def edit(self, ref: ImageRef, **fields: Any) -> None:
        """Change an image, as anybody may."""
        if "labels" in fields:
            fields["label_fingerprint"] = f"{self.images[ref].label_fingerprint}+"
        self.images[ref] = replace(self.images[ref], **fields)

    def open_to(self, ref: ImageRef, *bindings: Binding) -> None:
        """Replace an image's policy, as anybody may."""
        self.policies[ref] = Policy(bindings, f"{self.policies.get(ref, make.PUBLIC).etag}+")

    def carry_out(
        self,
        act: Callable[[Session], Awaitable[_T]],
        *works: Work,
        source: Image | None = None,
        readers: Sequence[Binding] = make.PUBLIC.bindings,
        minutes: float = 167,
    ) -> _T:
        """Let a session act for a plan with these replicas."""
        steps = tuple(work.step for work in works)
        plan = Plan(
            source=source or make.image(), source_policy=None, readers=tuple(readers), steps=steps, leads={}, promote=True
        )  # fmt: skip

        def changed(work: Work, text: str) -> None:
            self.lines.append(f"{work.replica.location} ({work.state}): {text}")

        async def run(calls: Calls) -> _T:
            return await act(Session(plan=plan, calls=calls, works=works, changed=changed))

        return self.play(run, minutes=minutes)

    def patch(self, ref: ImageRef, *, description: str, request_id: str) -> Request[Operation]:
        def begin() -> Operation:
            self.request_ids.append(request_id)
            return self._begin(ref, description=description)

        return Request("compute.images.patch", ref.project, partial(self._answer, "patch", ref.name, begin))

    def set_labels(self, ref: ImageRef, labels: Mapping[str, str], fingerprint: str) -> Request[Operation]:
        def begin() -> Operation:
            if fingerprint != self.images[ref].label_fingerprint:
                raise refusal("setLabels", 412, "conditionNotMet")
            return self._begin(ref, labels=labels)

        return Request("compute.images.setLabels", ref.project, partial(self._answer, "setLabels", ref.name, begin))

    def set_policy(self, ref: ImageRef, policy: Policy) -> Request[Policy]:
        def change() -> Policy:
            if policy.etag != self.policies.get(ref, make.PUBLIC).etag:
                raise refusal("setIamPolicy", 409, "aborted")
            self.open_to(ref, *policy.bindings)
            return self.policies[ref]

        return Request(
            "compute.images.setIamPolicy", ref.project, partial(self._answer, "setIamPolicy", ref.name, change)
        )

    def wait(self, operation: Operation) -> Request[Operation]:
        def end() -> Operation:
            return replace(operation, done=True, progress=100, problem=self._problems[operation.name])

        return Request(
            "compute.globalOperations.wait", operation.project, partial(self._answer, "wait", operation.name, end)
        )

    def _begin(self, ref: ImageRef, **fields: Any) -> Operation:
        name = f"operation-{len(self._problems) + 1}"
        problem = self._problems[name] = self.ends.pop(0) if self.ends else None
        if not problem:
            self.edit(ref, **fields)
        return Operation(project=ref.project, name=name, done=False, progress=0)

    def _answer(self, method: str, what: str, read: Callable[[], _T]) -> _T:
        def answer() -> _T:
            event = self.coming[method].pop(0) if self.coming[method] else None
            if isinstance(event, Refusal):
                raise event
            if event:
                event()
            return read()

        return super()._answer(method, what, answer)
