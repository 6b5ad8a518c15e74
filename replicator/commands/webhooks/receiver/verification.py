"""Decides whether a publication may be recorded: digests, signatures, statement, expectations, then the live images.

In this order, and nothing of the index is believed before its signature is verified.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from replicator.bootstrap.workflow_commands import plain
from replicator.commands.webhooks import event
from replicator.commands.webhooks.receiver.tables import Settled
from replicator.compute.connect import connected
from replicator.compute.retry import Calls
from replicator.core.errors import ExitCode, ReplicaError, ReplicatorError
from replicator.index import bundle, image_index, verify_signature
from replicator.index import errors as index_errors
from replicator.index.errors import SignatureWrong
from replicator.index.signature_settings import SignatureSettings
from replicator.inputs.fields import is_anonymous
from replicator.replicas import audit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from replicator.commands.webhooks.event import Data, Event, File
    from replicator.commands.webhooks.receiver.config import Hook
    from replicator.index.image_index import Index

_PATH = Path("image-index.json")
#: Seconds until the images are read again where they could not be.
PAUSES = (60.0, 300.0, 900.0, 3600.0)
_SECONDS = 300.0


class Failed(Exception):
    """What was announced isn't recorded, for one of the reasons that the page lists."""

    def __init__(self, reason: str, message: str) -> None:
        self.reason, self.message = reason, plain(message)[:1000]


def verified(read: Event, hook: Hook, env: Mapping[str, str]) -> tuple[Index, Settled]:
    """Return the index, and what to record, if everything that can be known without the API is right. Raises Failed."""
    data = read.data
    contents = {name: _content(name, file) for name, file in _files(data).items() if file}
    if set(contents) != {"index", "bundle", "attestation"}:
        raise Failed("signature", "index, bundle and attestation are all needed")
    with tempfile.TemporaryDirectory(prefix="image-receiver-") as folder:
        signed, statement, signed_at = _signed(contents, hook, Path(folder), env)
    try:
        index = image_index.parse(contents["index"], _PATH)
    except image_index.BadIndex as error:
        raise Failed("statement", str(error)) from None
    _agree(data, index, statement, hook)
    _expected(index, hook)
    return index, Settled(status="published", signed_by=plain(signed.by), signed_at=signed_at)


def _files(data: Data) -> dict[str, File | None]:
    return {"index": data.index, "bundle": data.bundle, "attestation": data.attestation}


def _content(name: str, file: File) -> bytes:
    """Return a file's bytes, which are those whose digest is named. Nothing is downloaded."""
    if file.content is None:
        raise Failed(
            "digest", f"{name} has no content: this receiver downloads nothing, so announce with content: auto"
        )
    content = file.content.encode()
    if f"sha256:{hashlib.sha256(content).hexdigest()}" != file.digest or len(content) != file.size:
        raise Failed("digest", f"{name} isn't what its digest and size say")
    return content


def _signed(
    contents: Mapping[str, bytes], hook: Hook, folder: Path, env: Mapping[str, str]
) -> tuple[verify_signature.Signed, bytes, str]:
    paths = {name: folder / name for name in ("bundle", "attestation")}
    for name, path in paths.items():
        path.write_bytes(contents[name])
    wanted = SignatureSettings(
        bundle=str(paths["bundle"]),
        attestation=str(paths["attestation"]),
        certificate_identity_regexp=hook.policy.certificate_identity_regexp,
        certificate_oidc_issuer=hook.policy.certificate_oidc_issuer,
        key=hook.policy.key,
        trusted_root=hook.trusted_root,
    )
    try:
        policy = verify_signature.policy(wanted, env)
        signed = verify_signature.verify(contents["index"], wanted.signatures, policy)
        read = bundle.read(paths["attestation"], "attestation")
    except SignatureWrong as error:
        identity = error.advice in {index_errors.OTHER_IDENTITY, index_errors.OTHER_ISSUER}
        raise Failed("identity" if identity else "signature", error.what.replace(f"{folder}/", "")) from None
    return signed, read.statement, read.logged.isoformat() if read.logged else ""


def _agree(data: Data, index: Index, statement: bytes, hook: Hook) -> None:
    """The signed statement, the index, the configuration and the announcement name the same repository and commit."""
    try:
        origin = event.origin_of_statement(statement)
    except ValueError as error:
        raise Failed("statement", str(error)) from None
    if origin.repository.lower() != hook.repository.lower():
        raise Failed("repository", f"the signed statement is about {origin.repository or 'no repository'}")
    if data.repository.url.lower() != hook.repository.lower():
        raise Failed("repository", f"{data.repository.url} is announced, which isn't this hook's repository")
    if data.commit != origin.commit:
        raise Failed("statement", "another commit is announced than the signed statement names")
    if origin.version and data.version != origin.version:
        raise Failed("statement", "another version is announced than the signed statement names")
    if [image.model_dump() for image in data.images] != event.images(index):
        raise Failed("statement", "other images are announced than the index holds")


def _expected(index: Index, hook: Hook) -> None:
    there = sorted({entry.architecture for entry in index.images})
    if hook.expect and there != sorted(set(hook.expect)):
        raise Failed("unexpected", f"the index holds {', '.join(there)}; expected are {', '.join(hook.expect)}")


def compare(index: Index, endpoint: str, env: Mapping[str, str], tries: int, now: float) -> Settled | None:
    """Compare the index with the live images. Return None if all are right, else what to record."""
    try:
        findings = asyncio.run(_findings(index, endpoint, env))
    except (ReplicatorError, ReplicaError) as error:
        return unreachable(error.what, tries, now)
    code = audit.exit_code(findings)
    if not code:
        return None
    wrong = [item for item in findings if item.state is not audit.State.CORRECT]
    told = "; ".join(f"{item.location} {item.state}" for item in wrong)[:1000]
    if code == ExitCode.UNREACHABLE:
        return unreachable(told, tries, now)
    missing = all(item.state is audit.State.MISSING for item in wrong)
    return Settled(status="failed", reason="missing" if missing else "drifted", message=plain(told))


async def _findings(index: Index, endpoint: str, env: Mapping[str, str]) -> list[audit.Finding]:
    compute = await connected(endpoint, env, anonymous=is_anonymous(env))
    deadline = asyncio.get_running_loop().time() + _SECONDS
    calls = Calls(compute, deadline=deadline, tell=lambda _where, _text: None, within="the minutes of a verification")
    return [item.finding for item in await audit.check(calls, index)]


def unreachable(told: str, tries: int, now: float) -> Settled:
    """Return that a publication waits for what could not be read; that it failed, after enough tries."""
    message = plain(told)[:1000]
    if tries > len(PAUSES):
        return Settled(status="failed", reason="unreachable", message=message)
    return Settled(status="verifying", reason="unreachable", message=message, due=now + PAUSES[tries - 1])


def may_amend(earlier: bytes, later: Event) -> bool:
    """Return whether an announcement that isn't verified yet may add to an earlier one, and so is worth verifying."""
    try:
        index = image_index.parse((later.data.index.content or "").encode(), _PATH)
    except image_index.BadIndex:
        # Verifying it will say what is wrong.
        return True
    return amends(earlier, index)


def amends(earlier: bytes, later: Index) -> bool:
    """Return whether an index only adds to an earlier announcement: same sources, and every image known before."""
    content = event.parse(earlier).data.index.content or ""
    before = image_index.parse(content.encode(), _PATH)
    now = {(entry.architecture, entry.variant): entry for entry in later.images}
    for entry in before.images:
        same = now.get((entry.architecture, entry.variant))
        if same is None or same.source.id != entry.source.id:
            return False
        known = {place: image.id for place, image in same.locations.items()}
        if any(known.get(place) != image.id for place, image in entry.locations.items()):
            return False
    return len(now) == len(before.images)
