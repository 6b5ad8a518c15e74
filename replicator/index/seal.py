"""Writes a file together with its signatures; a file that must be signed is never written unsigned."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from replicator.bootstrap import decide
from replicator.compute.threads import DaemonThreads
from replicator.core.replicas import Sign
from replicator.index import errors as index_errors
from replicator.index import image_index
from replicator.index.errors import CannotSign

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from replicator.index.sign import Signer

#: Seconds that signing may take.
LONGEST = 180.0


def signer(how: Sign, env: Mapping[str, str]) -> Signer | None:
    """Return the signer that `sign` asks for, before anything is made. Raises CannotSign, or ReplicatorError."""
    if how is Sign.OFF:
        return None
    # A run that signs nothing shouldn't pay for this import.
    from replicator.index import sign

    return sign.signer(how, env)


def disclosure(how: Sign, env: Mapping[str, str]) -> str:
    """Return a warning about what a keyless signature makes public of a private repository; empty if nothing."""
    if how is not Sign.KEYLESS:
        return ""
    from replicator.index import sign

    repository = decide.payload(env.get("GITHUB_EVENT_PATH", "")).get("repository")
    private = isinstance(repository, dict) and repository.get("private") is True
    if not private or env.get(sign.TRUST_VARIABLE):
        return ""
    said = f"This repository is private, and Sigstore's public log will name it ({env.get('GITHUB_REPOSITORY')})"
    return f"{said}, its workflow and ref. `sign: key` leaves no trace."


def write(document: dict[str, Any], target: Path) -> image_index.Written:
    """Write an index that needs no signature. Raises OSError."""
    data = image_index.to_bytes(document)
    path = image_index.write(data, target.parent, target.name)
    return image_index.Written(index_path=str(path), index_digest=image_index.digest(data))


async def seal(signer: Signer, document: dict[str, Any], target: Path, env: Mapping[str, str]) -> image_index.Written:
    """Sign an index; write it to `target`, and its signature and the signed statement beside it. Raises CannotSign."""
    from replicator.index import provenance, sign

    data = image_index.to_bytes(document)
    signs = partial(signer.sign, data, provenance.statement(document, env))
    paths = await _sealed(signs, (sign.BUNDLE_SUFFIX, sign.ATTESTATION_SUFFIX), data, target)
    bundle, attestation, itself = map(str, paths)
    return image_index.Written(
        index_path=itself,
        index_digest=image_index.digest(data),
        bundle_path=bundle,
        attestation_path=attestation,
    )


async def seal_file(signer: Signer, data: bytes, target: Path) -> tuple[Path, Path]:
    """Sign a file other than an index; write it to `target`, and its signature beside it. Raises CannotSign.

    Returns the paths of the signature and of the file.
    """
    from replicator.index import sign

    bundle, itself = await _sealed(lambda: [signer.sign_file(data)], [sign.BUNDLE_SUFFIX], data, target)
    return bundle, itself


async def _sealed(
    signs: Callable[[], Sequence[bytes]], suffixes: Sequence[str], data: bytes, target: Path
) -> list[Path]:
    """Make the signatures, and write them and the file; returns the paths in this order."""
    # In a thread, so that signals are handled while services are asked, some of them without a time limit.
    signing = asyncio.get_running_loop().run_in_executor(DaemonThreads(), signs)
    kept: list[Path] = []
    try:
        signatures = await asyncio.wait_for(signing, LONGEST)
        # The file is written last, so that it never exists without its signatures.
        for suffix, content in (*zip(suffixes, signatures, strict=True), ("", data)):
            kept.append(image_index.write(content, target.parent, target.name + suffix))
    except TimeoutError:
        raise CannotSign(index_errors.SIGSTORE_FAILED, f"Sigstore did not answer for {LONGEST:g} seconds") from None
    except OSError as error:
        for path in kept:
            path.unlink(missing_ok=True)
        raise CannotSign(index_errors.UNSIGNED, f"The signed file could not be written: {error}") from None
    return kept
