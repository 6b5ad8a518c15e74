"""Makes the event from the files to announce, and refuses files and runners that contradict one another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from replicator.commands.webhooks import event
from replicator.commands.webhooks.event import Origin
from replicator.commands.webhooks.notify_settings import Content
from replicator.core.errors import BadSettings, InputProblem
from replicator.index import bundle, image_index
from replicator.index.errors import SignatureWrong
from replicator.inputs import files

if TYPE_CHECKING:
    from collections.abc import Mapping

    from replicator.commands.webhooks.notify_settings import NotifySettings
    from replicator.index.image_index import Index

_LARGEST = 64 * 2**20
_NAMES = {
    "index": "image-index.json",
    "bundle": "image-index.json.sigstore.json",
    "attestation": "image-index.json.intoto.sigstore.json",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """An event, ready to be sent."""

    document: dict[str, Any]
    id: str
    body: bytes


def made(wanted: NotifySettings, env: Mapping[str, str], now: float) -> Announcement:
    """Return the event about the files that the settings name. Raises BadSettings, SignatureWrong."""
    data, read = _index(Path(wanted.index))
    given = {"index": data, **_signatures(wanted, data)}
    inline = wanted.content is Content.AUTO and event.fits(given.values())
    if not inline and "/releases/tag/" not in wanted.release_url:
        why = "content is link" if wanted.content is Content.LINK else "index and signatures exceed 256 KiB"
        raise BadSettings(
            [InputProblem("release_url", f"is needed, because {why}: https://HOST/OWNER/REPO/releases/tag/TAG")]
        )
    document = _document(wanted, given, read, env, now, inline=inline)
    body = event.to_bytes(document)
    try:
        event.parse(body)
    except event.BadEvent as error:
        raise BadSettings([InputProblem("index", f"can't be announced: {error}")]) from None
    return Announcement(document=document, id=event.delivery_id(document), body=body)


def _document(
    wanted: NotifySettings, given: Mapping[str, bytes], read: Index, env: Mapping[str, str], now: float, *, inline: bool
) -> dict[str, Any]:
    server, repository, origin = _origin(wanted, read, env)
    described = {
        name: event.file(_NAMES[name], given[name], inline=inline, release_url=wanted.release_url)
        if name in given
        else None
        for name in _NAMES
    }
    tag = wanted.release_tag or origin.version
    return {
        "type": event.TYPE,
        "timestamp": datetime.fromtimestamp(int(now), UTC).isoformat().replace("+00:00", "Z"),
        "data": {
            "schema": 1,
            "repository": {"server_url": server, "name": repository},
            "commit": origin.commit,
            "version": tag,
            "run": _run(env),
            "release": {"url": wanted.release_url, "tag": tag, "prerelease": event.is_prerelease(tag)}
            if wanted.release_url
            else None,
            **described,
            "images": event.images(read),
        },
    }


def _index(path: Path) -> tuple[bytes, Index]:
    try:
        data = image_index.read_bytes(path)
        return data, image_index.parse(data, path)
    except image_index.BadIndex as error:
        raise BadSettings([InputProblem("index", str(error))]) from None


def _signatures(wanted: NotifySettings, data: bytes) -> dict[str, bytes]:
    """Return the signatures' bytes. They are about this index, or nobody would believe it."""
    found = {}
    digest = image_index.digest(data).removeprefix("sha256:")
    for name in ("bundle", "attestation"):
        path = getattr(wanted, name)
        if not path:
            continue
        try:
            found[name] = files.read_bytes(Path(path), largest=_LARGEST)
        except files.Unfit as error:
            raise BadSettings([InputProblem(name, str(error))]) from None
        read = bundle.read(Path(path), name)
        if bool(read.statement) != (name == "attestation"):
            raise BadSettings([InputProblem(name, "holds the other kind of signature: bundle and attestation differ")])
        about = event.subjects(read.statement) if read.statement else [read.signed]
        if digest not in about:
            raise BadSettings([InputProblem(name, f"is about another file than this index, which is sha256:{digest}")])
    return found


def _origin(wanted: NotifySettings, read: Index, env: Mapping[str, str]) -> tuple[str, str, Origin]:
    """Return server, repository and origin: by the statement, else the index, else the runner; they must agree."""
    runner = Origin(
        repository=f"{env['GITHUB_SERVER_URL'].rstrip('/')}/{env['GITHUB_REPOSITORY']}"
        if env.get("GITHUB_SERVER_URL") and env.get("GITHUB_REPOSITORY")
        else "",
        commit=env.get("GITHUB_SHA", ""),
        ref=env.get("GITHUB_REF", ""),
    )
    found = Origin()
    if wanted.attestation:
        try:
            found = event.origin_of_statement(bundle.read(Path(wanted.attestation), "attestation").statement)
        except (ValueError, SignatureWrong) as error:
            raise BadSettings([InputProblem("attestation", f"holds {error}")]) from None
    said_by = "attestation" if found.repository else "index"
    if not found.repository:
        found = event.origin_of_index(read, (env.get("GITHUB_SERVER_URL") or "https://github.com").rstrip("/"))
    problems = [
        InputProblem(said_by, f"is about another {what} than this run's: announce it in the run that made it")
        for what, one, other in (
            ("repository", found.repository, runner.repository),
            ("commit", found.commit, runner.commit),
        )
        if one and other and one.lower() != other.lower()
    ]
    if problems:
        raise BadSettings(problems)
    if not found.repository:
        found = runner
    server, _, rest = found.repository.partition("://")
    parts = rest.split("/")
    if len(parts) < 3:
        text = "doesn't say which repository it was built from: give the attestation, or make it with revision: auto"
        raise BadSettings([InputProblem("index", text)])
    return f"{server}://{'/'.join(parts[:-2])}", "/".join(parts[-2:]), found


def _run(env: Mapping[str, str]) -> dict[str, str] | None:
    server, repository, run = (
        env.get(name, "") for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    )
    if not run:
        return None
    return {"url": f"{server}/{repository}/actions/runs/{run}", "attempt": env.get("GITHUB_RUN_ATTEMPT", "1")}
