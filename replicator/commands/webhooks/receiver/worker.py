"""Verifies queued publications, one after the other, in order of arrival; resumes what a killed receiver left."""

from __future__ import annotations

import threading
import time
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from replicator.commands.webhooks import event
from replicator.commands.webhooks.receiver import verification
from replicator.commands.webhooks.receiver.store import Settled
from replicator.core.errors import ReplicatorError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from replicator.commands.webhooks.receiver.config import Config
    from replicator.commands.webhooks.receiver.store import Store

#: Seconds between looks at the queue, where nobody calls; another receiver may have filled it.
_PAUSE = 2.0


@dataclass(kw_only=True)
class Worker:
    """Takes publications and settles each."""

    config: Config
    store: Store
    env: Mapping[str, str]
    log: Callable[..., None]
    now: Callable[[], float] = time.time
    called: threading.Event = field(default_factory=threading.Event)
    stopped: bool = False

    def run(self) -> None:
        """Work until `stop`; nothing that a publication holds, and no store that is away for a while, ends it."""
        while not self.stopped:
            try:
                while not self.stopped and self.one():
                    pass
            except sa.exc.SQLAlchemyError as error:
                self.log(event="store", reason=type(error).__name__)
            self.called.wait(_PAUSE)
            self.called.clear()

    def stop(self) -> None:
        """End after the publication that is under way."""
        self.stopped = True
        self.called.set()

    def one(self) -> bool:
        """Verify the next publication; return whether there was one."""
        taken = self.store.take(self.now())
        if taken is None:
            return False
        began = self.now()
        settled, amends = self._settled(taken)
        status = self.store.settle(taken, settled, self.now(), amends)
        self.log(
            event="settled",
            publication=taken["id"],
            hook=taken["hook"],
            status=status or "taken by another receiver",
            reason=settled.reason,
            message=settled.message,
            ms=round(1000 * (self.now() - began)),
        )
        return True

    def _settled(self, taken: dict[str, Any]) -> tuple[Settled, Callable[[bytes], bool] | None]:
        hook = self.config.hooks.get(taken["hook"])
        if hook is None:
            return Settled(status="failed", reason="internal", message="the hook is no longer configured"), None
        try:
            index, settled = verification.verified(event.parse(taken["body"]), hook, self.env)
            if hook.images == "verify":
                wrong = verification.compare(index, self.config.compute_endpoint, self.env, taken["tries"], self.now())
                settled = wrong or settled
        except verification.Failed as failed:
            return Settled(status="failed", reason=failed.reason, message=failed.message), None
        except ReplicatorError as error:
            # No trusted root, no key: the receiver's own set-up, so the publication waits for it to be mended.
            return verification.unreachable(error.what, taken["tries"], self.now()), None
        except Exception as error:  # noqa: BLE001 - a publication must not end the receiver
            self.log(event="defect", reason="internal", message=traceback.format_exc()[-2000:])
            return Settled(status="failed", reason="internal", message=type(error).__name__), None
        return settled, lambda earlier: verification.amends(earlier, index)
