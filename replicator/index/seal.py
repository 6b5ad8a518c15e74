"""Sign an index before any family moves, and write it together with what signs it: nothing is published unsigned."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from replicator.bootstrap import decide
from replicator.compute.threads import DaemonThreads
from replicator.core import errors
from replicator.core.replicas import Sign
from replicator.index import errors as index_errors
from replicator.index import image_index
from replicator.index.errors import CannotSign
from replicator.runtime.lifecycle import folder
from replicator.runtime.runner import Annotation

if TYPE_CHECKING:
    from pathlib import Path

    from replicator.runtime.lifecycle import Conduct


#: Seconds that signing may take.
LONGEST = 180.0


def prepare(this: Conduct, how: Sign) -> None:
    """Find out whether the index can be signed before anything is made. Raises a ReplicatorError."""
    if how is Sign.OFF:
        return
    # Who signs nothing does not pay for its import.
    from replicator.index import sign

    this.signer = sign.signer(how, this.env)
    repository = decide.payload(this.env.get("GITHUB_EVENT_PATH", "")).get("repository")
    private = isinstance(repository, dict) and repository.get("private") is True
    if how is Sign.KEYLESS and private and not this.env.get(sign.TRUST_VARIABLE):
        said = (
            f"This repository is private, and Sigstore's public log will name it ({this.env.get('GITHUB_REPOSITORY')})"
        )
        this.notes.append(
            Annotation("warning", "Signing", f"{said}, its workflow and ref. `sign: key` leaves no trace.")
        )


async def seal(this: Conduct, document: dict[str, Any]) -> None:
    """Sign an index and write it, its signature, and the signed statement about it. Raises CannotSign."""
    if this.signer is None:
        raise errors.Unforeseen("An index to sign, and nobody who signs")
    from replicator.index import provenance, sign

    data = image_index.to_bytes(document)
    # In a thread, because a signal must be answered while services are asked, some of them without a time limit.
    signs = asyncio.get_running_loop().run_in_executor(
        DaemonThreads(), this.signer.sign, data, provenance.statement(document, this.env)
    )
    kept: list[Path] = []
    try:
        blob, about = await asyncio.wait_for(signs, LONGEST)
        place = folder(this)
        # The index last: whoever finds it finds what signs it.
        for name, content in ((sign.BUNDLE_NAME, blob), (sign.ATTESTATION_NAME, about), (image_index.FILE_NAME, data)):
            kept.append(image_index.write(content, place, name))
    except TimeoutError:
        raise CannotSign(index_errors.SIGSTORE_FAILED, f"Sigstore did not answer for {LONGEST:g} seconds") from None
    except OSError as error:
        for path in kept:
            path.unlink(missing_ok=True)
        raise CannotSign(index_errors.INDEX_UNSIGNED, f"The signed index could not be written: {error}") from None
    bundle, attestation, itself = map(str, kept)
    this.written = image_index.Written(
        index_path=itself,
        index_digest=image_index.digest(data),
        bundle_path=bundle,
        attestation_path=attestation,
    )
