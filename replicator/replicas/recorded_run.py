"""Signs and writes the index at the end of `replicate` and `merge`; reports each replica: outputs, table, summary."""

from __future__ import annotations

import asyncio
import re
from abc import abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from replicator.core import errors
from replicator.index import image_index, seal
from replicator.index.image_index import Written
from replicator.replicas import report, results
from replicator.replicas.summary.page import Facts
from replicator.runtime.lifecycle import Run
from replicator.runtime.runner import Annotation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from replicator.core.replicas import ReplicaResult, Revision, Sign
    from replicator.index.sign import Signer
    from replicator.runtime.verdict import Verdict

T = TypeVar("T")

#: Characters that mean nothing in Markdown.
_PLAIN_URL = re.compile(r"https?://[\w.:-]+(/[\w.-]+)+", re.ASCII)


@dataclass(kw_only=True)
class RecordedRun(Run):
    """A run whose results are replicas, recorded in an index."""

    signer: Signer | None = None
    """Signs the index, if that was asked for."""
    written: Written = field(default_factory=Written)
    """The index and its signatures, once they are written."""
    output: str = ""
    """The file that the option `output` names."""
    began: float = 0.0
    """Seconds on the event loop's clock."""

    @property
    @abstractmethod
    def results(self) -> Sequence[ReplicaResult]:
        """The results of the replicas so far."""

    @property
    def unsigned(self) -> bool:
        """Whether the index still has to be signed; until then nothing is published."""
        return self.signer is not None and not self.written.index_path

    def loaded(self, load: Callable[[Mapping[str, str], Mapping[str, str]], T]) -> T:
        """Check the inputs by `load`, and the option `output`. Raises BadSettings with every problem."""
        self.output = self.given.get("output", "").strip()
        return self.checked(load, self.given, output=self.output)

    def index_file(self) -> Path:
        """Return the file to write the index to."""
        return Path(self.output) if self.output else self.folder() / image_index.FILE_NAME

    def prepare_signing(self, how: Sign) -> None:
        """Check that the index can be signed before anything is made. Raises CannotSign or SigstoreMissing."""
        self.signer = seal.signer(how, self.env)
        if disclosure := seal.disclosure(how, self.env):
            self.notes.append(Annotation("warning", "Signing", disclosure))

    async def seal(self, document: dict[str, Any]) -> None:
        """Sign and write the index. Raises CannotSign."""
        if self.signer is None:
            raise errors.Unforeseen("An index to sign without a signer")
        self.written = await seal.seal(self.signer, document, self.index_file(), self.env)

    def facts(self, revision: Revision | None) -> Facts:
        """What the summary says of the run and its index, which was built from the revision."""
        signed = self.signer.who if self.signer and self.written.bundle_path else ""
        return Facts(
            index_digest=self.written.index_digest,
            signed_by=signed,
            revision=revision,
            commit_url=self._page_of(revision) if revision else "",
            seconds=self.seconds,
        )

    def _page_of(self, revision: Revision) -> str:
        """Return the address of the revision's commit on the forge whose runner this is; empty without one."""
        server = self.env.get("GITHUB_SERVER_URL", "")
        url = f"{server}/{revision.repository}/commit/{revision.commit}"
        return url if server and _PLAIN_URL.fullmatch(url) else ""

    def failed(self, error: errors.ReplicatorError) -> Verdict:
        """Note the failure that ended the run, with the locations that a signal kept from their end."""
        if isinstance(error, errors.Interrupted) and (missed := results.stopped(self.results)):
            error = error.before(missed)
        return super().failed(error)

    def say(self, where: str, text: str) -> None:
        """Print a line about a location, with the seconds since the run began."""
        seconds = asyncio.get_running_loop().time() - self.began
        self.runner.line(f"{seconds:5.0f} s  {where}: {text}", indent=1)

    def annotations(self, verdict: Verdict) -> Sequence[Annotation]:
        """Return an annotation for each replica, and those about the whole run."""
        return report.remarks(verdict, self.results, self.notes, every=self.runner.commands)

    def show(self, verdict: Verdict) -> None:
        """Print what exists where, and the index."""
        report.show_end(self.runner, verdict, self.results)
        if self.written.index_path:
            signed = f", signed: {self.written.bundle_path}" if self.written.bundle_path else ""
            self.runner.line(f"index: {self.written.index_path} ({self.written.index_digest}){signed}")
