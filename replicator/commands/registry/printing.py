"""Rewrites the references of a run, all or none, and prints them or the configuration of what pulls."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from replicator.bootstrap.quote import quoted_path
from replicator.commands.registry import formats, references
from replicator.commands.registry import rewrite as rewriting
from replicator.commands.registry.errors import NO_MIRROR
from replicator.core.errors import BadSettings, InputProblem, ReplicatorError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from replicator.commands.registry.mirrors import Mirror, Mirrors
    from replicator.commands.registry.rewrite import Rewritten
    from replicator.commands.registry.settings import Inputs


def rewritten(inputs: Inputs, known: Mirrors) -> list[Rewritten]:
    """Rewrite every reference. Raises BadSettings for all that are malformed, then NO_MIRROR for all without mirror."""
    zone = inputs.settings.zone
    done: list[Rewritten] = []
    problems: list[InputProblem] = []
    lacking: dict[str, None] = {}
    _check_zone(zone)
    for line in inputs.lines:
        try:
            done.append(rewriting.rewrite(line.text, zone, known))
        except references.BadReference as error:
            file = inputs.settings.file if line.number else ""
            problems.append(InputProblem("file" if file else "images", str(error), file, line.number))
        except rewriting.NoMirror as error:
            lacking[str(error)] = None
    _refuse(problems, lacking)
    return done


def serving(zone: str, known: Mirrors) -> dict[str, Mirror]:
    """Return the mirror of each upstream that serves a zone. Raises as `rewritten`."""
    found: dict[str, Mirror] = {}
    lacking: dict[str, None] = {}
    _check_zone(zone)
    for upstream in known.upstreams:
        try:
            mirror, _ = rewriting.choose(upstream, zone, known)
        except rewriting.NoMirror as error:
            lacking[str(error)] = None
        else:
            found |= {upstream: mirror} if mirror else {}
    _refuse([], lacking)
    return found


def hosts(inputs: Inputs) -> list[str]:
    """Return the distinct hosts of Artifact Registry in the references, in order. Raises BadSettings."""
    found: dict[str, None] = {}
    problems: list[InputProblem] = []
    for line in inputs.lines:
        try:
            host = references.parse(line.text).host
        except references.BadReference as error:
            file = inputs.settings.file if line.number else ""
            problems.append(InputProblem("file" if file else "images", str(error), file, line.number))
            continue
        if references.is_artifact_registry(host):
            found[host] = None
    _refuse(problems, {})
    return list(found)


def answer(inputs: Inputs, known: Mirrors, done: Sequence[Rewritten]) -> str:
    """Return the text of the format that was asked for."""
    zone, form = inputs.settings.zone, inputs.settings.format
    if form == "json":
        return formats.as_json(done, zone)
    if form in formats.OF_MIRRORS:
        there = serving(zone, known)
        return {"hosts": formats.hosts_text, "k3s": formats.k3s, "registries.conf": formats.registries_conf}[form](
            there
        )
    return {"text": formats.text, "env": formats.env, "kustomize": formats.kustomize}[form](done)


def hosts_answer(found: Sequence[str], form: str) -> str:
    """Return the hosts as gcloud takes them, or as JSON."""
    return (
        json.dumps({"schema": 1, "hosts": list(found)}) + "\n"
        if form == "json"
        else f"{','.join(found)}\n"
        if found
        else ""
    )


def write(path: Path, inputs: Inputs, known: Mirrors, text: str) -> list[Path]:
    """Write the answer to a file, or for `hosts` a file for each upstream below a folder. Returns what was written.

    Raises BadSettings where that can't be written.
    """
    files = {path: text}
    if inputs.settings.format == "hosts":
        files = {path / name: content for name, content in formats.hosts(serving(inputs.settings.zone, known)).items()}
    try:
        for file, content in files.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode())
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise BadSettings([InputProblem("output", f"{quoted_path(str(path))} can't be written ({why})")]) from None
    return list(files)


def _check_zone(zone: str) -> None:
    try:
        rewriting.region_of(zone) if zone not in rewriting.ELSEWHERE else None
    except rewriting.BadZone as error:
        raise BadSettings([InputProblem("zone", str(error))]) from None


def _refuse(problems: list[InputProblem], lacking: dict[str, None]) -> None:
    if problems:
        raise BadSettings(problems)
    if lacking:
        raise ReplicatorError(NO_MIRROR, "; ".join(lacking))
