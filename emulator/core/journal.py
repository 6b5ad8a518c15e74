"""Notes what was asked and what was answered, in order of arrival."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emulator.core.clock import Clock

# The oldest entries go first; a long soak must not fill the memory.
LIMIT = 100_000
BYTES = 256 * 2**20
# What an entry takes beside its body, about.
ENTRY_BYTES = 1000

CREDENTIALS = frozenset({"access_token", "oauth_token", "key"})
KEY_MATERIAL = frozenset({"rawKey", "rsaEncryptedKey"})


@dataclass(kw_only=True)
class Entry:
    """One request. Times are monotonic seconds; `answered` stays None for a request that got no whole answer."""

    method: str
    project: str
    target: str
    principal: str | None
    query: Mapping[str, str]
    body: Any
    received: float
    status: int | None = None
    reason: str | None = None
    fault: str | None = None
    committed: bool = False
    answered: float | None = None
    dropped: bool = False
    unsupported: bool = False


class Journal:
    """The latest entries: 100,000 at most, and no more than fit into about 256 MB."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: deque[tuple[Entry, int]] = deque()
        self._bytes = 0

    def open(
        self, *, method: str, project: str, target: str, query: Mapping[str, str], body: Any, size: int = 0
    ) -> Entry:
        """Note a request's arrival, `size` bytes long; credentials and key material are left out."""
        entry = Entry(
            method=method,
            project=project,
            target=target,
            principal=None,
            query={name: value for name, value in query.items() if name not in CREDENTIALS},
            body=_without_keys(body),
            received=self._clock.monotonic(),
        )
        self._entries.append((entry, size + ENTRY_BYTES))
        self._bytes += size + ENTRY_BYTES
        while len(self._entries) > LIMIT or (self._bytes > BYTES and len(self._entries) > 1):
            self._bytes -= self._entries.popleft()[1]
        return entry

    def close(self, entry: Entry, status: int, reason: str | None) -> None:
        """Note a request's answer, about to be sent whole."""
        entry.status, entry.reason = status, reason
        entry.answered = self._clock.monotonic()

    def show(self) -> list[dict[str, Any]]:
        """All entries, as JSON values."""
        return [asdict(entry) for entry, _ in self._entries]

    def clear(self) -> None:
        """Forget all entries."""
        self._entries.clear()
        self._bytes = 0


def _without_keys(body: Any) -> Any:
    if not isinstance(body, dict):
        return body
    return {
        name: {inner: "***" if inner in KEY_MATERIAL else text for inner, text in value.items()}
        if isinstance(value, dict) and name.endswith("EncryptionKey")
        else value
        for name, value in body.items()
    }
