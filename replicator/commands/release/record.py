"""Reads the record for a release (index, bundle, attestation), and checks offline that its parts fit together."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from replicator.bootstrap.quote import quoted
from replicator.core.errors import BadSettings, InputProblem
from replicator.index import bundle, image_index, provenance
from replicator.index import errors as index_errors
from replicator.index.errors import SignatureWrong
from replicator.index.sign import ATTESTATION_NAME, BUNDLE_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from replicator.commands.release.settings import ReleaseSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The commit of the release, and the files of the record by the names that they get."""

    commit: str
    paths: Mapping[str, Path] = field(default_factory=dict)
    index: dict[str, Any] | None = None


def record_of(wanted: ReleaseSettings, env: Mapping[str, str]) -> Record:
    """Return the record. Raises BadSettings, and SignatureWrong for a bundle over another file."""
    if not wanted.index:
        return Record(commit=_commit(wanted, env, set()))
    path = Path(wanted.index)
    try:
        data = image_index.read_bytes(path)
        parsed = image_index.parse(data, path)
    except image_index.BadIndex as error:
        raise BadSettings([InputProblem("index", str(error))]) from None
    paths = {image_index.FILE_NAME: path}
    sha256 = image_index.digest(data).removeprefix("sha256:")
    if wanted.bundle:
        read = bundle.read(Path(wanted.bundle), "bundle")
        if read.signed != sha256:
            raise SignatureWrong(index_errors.OTHER_FILE, f"'{read.path}' isn't a signature over this index")
        paths[BUNDLE_NAME] = Path(wanted.bundle)
    if wanted.attestation:
        read = bundle.read(Path(wanted.attestation), "attestation")
        try:
            about = provenance.digests(read.statement)
        except ValueError as error:
            raise SignatureWrong(index_errors.OTHER_STATEMENT, f"'{read.path}' holds {error}") from None
        if sha256 not in about:
            raise SignatureWrong(index_errors.OTHER_FILE, f"The statement in '{read.path}' isn't about this index")
        paths[ATTESTATION_NAME] = Path(wanted.attestation)
    commits = {entry.revision.commit for entry in parsed.images if entry.revision and entry.revision.commit}
    return Record(commit=_commit(wanted, env, commits), paths=paths, index=json.loads(data))


def _commit(wanted: ReleaseSettings, env: Mapping[str, str], of_index: set[str]) -> str:
    """Return the commit that the files were built from, of the input, the runner or the index. Raises BadSettings."""
    commit = wanted.commit or env.get("GITHUB_SHA", "") or (next(iter(of_index)) if len(of_index) == 1 else "")
    problem = ""
    if not commit:
        problem = "is needed: write the full SHA of the commit that the files were built from"
    elif of_index - {commit}:
        problem = f"{quoted(commit)} isn't the commit of the index, which is {', '.join(sorted(of_index))}"
    if problem:
        raise BadSettings([InputProblem("commit", problem)])
    return commit
