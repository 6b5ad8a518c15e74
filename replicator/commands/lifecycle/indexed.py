"""Reads the indexes that say which images are of one release, after their signatures if a policy is given."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from replicator.core.errors import BadSettings, InputProblem
from replicator.index import image_index
from replicator.index.sign import ATTESTATION_SUFFIX, BUNDLE_SUFFIX
from replicator.inputs import files
from replicator.replicas import audit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from replicator.commands.lifecycle.lines import Scope
    from replicator.core.images import Image
    from replicator.index.image_index import Entry
    from replicator.index.signature_settings import SignerSettings

#: The most files of a folder that are looked at.
_MOST_FILES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Indexed:
    """What one index, or several, say of releases."""

    entries: tuple[Entry, ...] = ()
    refs: Mapping[str, str] = field(default_factory=dict)
    """The id of each source, and the git ref that it was built from; empty where indexes disagree."""
    proofs: Mapping[str, tuple[str, datetime | None]] = field(default_factory=dict)
    """The digest of the index that names a source, and when it was signed, by the source's id: only of indexes whose
    signature was verified, for anybody can write a file.
    """

    @property
    def locations(self) -> dict[str, frozenset[str]]:
        """The locations that are served, by the id of the source."""
        return {entry.source.id: frozenset(entry.locations) for entry in self.entries}

    def lines(self, scope: Scope) -> dict[str, str]:
        """The line of each source whose replicas are to carry a line's families, by its id."""
        found: dict[str, str] = {}
        for entry in self.entries:
            wanted = {served.family for served in entry.locations.values()}
            for line in scope.families:
                if wanted & {scope.replica_family(line, location) for location in entry.locations}:
                    found.setdefault(entry.source.id, line)
        return found


def read(path: Path, signatures: Mapping[str, str], signer: SignerSettings, env: Mapping[str, str]) -> Indexed:
    """Read one index. Raises SignatureWrong before anything is parsed, and image_index.BadIndex."""
    data = image_index.read_bytes(path)
    proof = None
    if signatures:
        # Without a signature, nothing pays for this import.
        from replicator.index import verify_signature

        signed = verify_signature.verify(data, signatures, verify_signature.policy(signer, env))
        proof = (signed.digest, signed.at)
    entries = tuple(image_index.parse(data, path).images)
    return Indexed(
        entries=entries,
        refs={entry.source.id: entry.revision.ref if entry.revision else "" for entry in entries},
        proofs={entry.source.id: proof for entry in entries} if proof else {},
    )


def below(folder: str, signer: SignerSettings, env: Mapping[str, str]) -> Indexed:
    """Read all indexes below a folder, with the signatures beside them if there is a policy for these.

    Raises BadSettings with every file that isn't an index, and SignatureWrong.
    """
    try:
        paths = files.below(files.folder(folder, env), suffix=".json", most=_MOST_FILES)
    except files.Unfit as error:
        raise BadSettings([InputProblem("indexes", str(error))]) from None
    found, problems = [], []
    for path in paths.values():
        if not path.name.endswith(BUNDLE_SUFFIX):
            try:
                found.append(read(path, _beside(path, signer), signer, env))
            except image_index.BadIndex as error:
                problems.append(InputProblem("indexes", str(error)))
    if not found and not problems:
        problems.append(InputProblem("indexes", f"'{folder}' holds no index: no file in it is called *.json"))
    if problems:
        raise BadSettings(problems)
    return _together(found)


def _beside(path: Path, signer: SignerSettings) -> dict[str, str]:
    """The signatures of an index, by the inputs that would name them; none without a policy."""
    if not (signer.key or signer.certificate_identity_regexp):
        return {}
    named = {"bundle": BUNDLE_SUFFIX, "attestation": ATTESTATION_SUFFIX}
    return {name: file for name, suffix in named.items() if Path(file := f"{path}{suffix}").exists()}


def _together(indexes: Sequence[Indexed]) -> Indexed:
    """What several indexes say; of those that prove the same source, the one with most images counts."""
    refs: dict[str, set[str]] = {}
    proofs: dict[str, tuple[str, datetime | None]] = {}
    for each in sorted(indexes, key=lambda each: -len(each.entries)):
        for source, ref in each.refs.items():
            refs.setdefault(source, set()).update({ref} - {""})
        proofs = {**each.proofs, **proofs}
    return Indexed(
        entries=tuple(entry for each in indexes for entry in each.entries),
        refs={source: known.copy().pop() if len(known) == 1 else "" for source, known in refs.items()},
        proofs=proofs,
    )


def differences(held: Indexed, images: Iterable[Image]) -> dict[str, str]:
    """What differs between each image that an index names and the live one, by its id; "" where nothing does.

    Who may use an image is not compared, and a deprecation is judged elsewhere.
    """
    by_id = {image.id: image for image in images}
    found: dict[str, str] = {}
    for entry in held.entries:
        for location, served in entry.locations.items():
            if live := by_id.get(served.id):
                finding = audit.of_entry(entry, location, served, live, None, compare_access=False)
                others = [item for item in finding.differences if item.field not in {"deprecated", "family"}]
                found[live.id] = f"{live.ref} is not what the index says: {others[0]}" if others else ""
    return found
