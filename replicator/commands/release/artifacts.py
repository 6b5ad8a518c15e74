"""Finds the files that a release is to hold, leaves out files that are not artifacts, and opens each exactly once.

What is hashed and what is uploaded are the same descriptor, so a path that is replaced meanwhile changes nothing.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from replicator.bootstrap.quote import quoted, quoted_path
from replicator.commands.release import names
from replicator.commands.release.errors import CHANGED_MEANWHILE
from replicator.commands.release.plan import Wanted
from replicator.core.errors import ReplicatorError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_CHUNK = 2**20
#: Bytes: GitHub takes files below 2 GiB.
LARGEST = 2**31 - 1
#: What sign-in steps and people leave in workspaces, and nobody means to publish.
_CREDENTIALS = re.compile(
    r"gha-creds-.*\.json|\.env(\..*)?|.*\.env|\.netrc|\.npmrc|\.pypirc|id_(rsa|dsa|ecdsa|ed25519)"
    r"|application_default_credentials\.json|credentials(\.json)?|.*\.(pem|key|p12|pfx|jks|kdbx)",
    re.IGNORECASE,
)
_SECRET_FILES = ("GOOGLE_APPLICATION_CREDENTIALS", "SIGNING_KEY_FILE", "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE")
_PRIVATE = re.compile(rb"-----BEGIN [A-Z0-9 ]*PRIVATE KEY|\"type\": ?\"(service_account|external_account)\"")
_RENAMED = re.compile(r"([A-Za-z0-9][^=/\\*?\[\]]*)=(.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A file to publish: its name on the release, and the descriptor that was hashed."""

    wanted: Wanted
    file: IO[bytes]
    before: os.stat_result

    def checked(self) -> None:
        """Raise ReplicatorError if the file was written to since it was hashed."""
        now = os.fstat(self.file.fileno())
        if (now.st_size, now.st_mtime_ns) != (self.before.st_size, self.before.st_mtime_ns):
            raise ReplicatorError(CHANGED_MEANWHILE, f"{quoted(self.wanted.name)} was written to after it was hashed")


@dataclass(frozen=True, slots=True)
class Found:
    """What the patterns name: paths by asset, what was left out and why, and what is wrong."""

    paths: Mapping[str, Path]
    left: Sequence[str]
    problems: Sequence[str]


def find(text: str, env: Mapping[str, str]) -> Found:
    """Return the files that the lines of `files` name, relative to the workspace; each line a path or a glob."""
    paths: list[tuple[str, Path]] = []
    left: list[str] = []
    problems: list[str] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        renamed = _RENAMED.fullmatch(line)
        name, pattern = (renamed[1], renamed[2]) if renamed else ("", line)
        matches, said, wrong = _matched(pattern, env)
        left += said
        problems += wrong
        if not matches and not wrong:
            also = f" (left out: {'; '.join(said)})" if said else ""
            problems.append(f"{quoted_path(pattern)} matches no file{also}")
        elif name and len(matches) > 1:
            problems.append(f"{quoted(line)} gives one name to {len(matches)} files")
        paths += [(name or path.name, path) for path in matches]
    # The same file by two patterns is one asset.
    once = list(dict.fromkeys(paths))
    problems += filter(None, (names.problem(name) for name, _ in once))
    problems += names.clashes(name for name, _ in once)
    reserved = {names.SUMS.lower(), names.SUMS_BUNDLE.lower()}
    problems += [
        f"{quoted(name)} is made by this program; rename the file" for name, _ in once if name.lower() in reserved
    ]
    return Found(dict(once), tuple(dict.fromkeys(left)), problems)


def _matched(pattern: str, env: Mapping[str, str]) -> tuple[list[Path], list[str], list[str]]:
    """Return what a pattern matches, what of that was left out, and what is wrong with what it names exactly."""
    base = Path(env.get("GITHUB_WORKSPACE") or ".")
    exact = not glob.has_magic(pattern)
    taken, left, wrong = [], [], []
    found = [str(base / pattern)] if exact else _globbed(base, pattern)
    for path in map(Path, found):
        if not exact and path.name.startswith("."):
            left.append(f"{quoted_path(str(path))} is a dotfile; give it a name, as in NAME=path")
            continue
        said = _unfit(path, env) or _secret(path, env)
        if said and (exact or said.startswith("!")):
            wrong.append(f"{quoted_path(str(path))} {said.lstrip('!')}")
        elif said or (not exact and _CREDENTIALS.fullmatch(path.name)):
            if not path.is_dir():
                left.append(f"{quoted_path(str(path))} {said or 'has the name of a credentials file; name it exactly'}")
        else:
            taken.append(path)
    return taken, left, wrong


def _globbed(base: Path, pattern: str) -> list[str]:
    """Return what a glob matches, dotfiles too, so that they can be told of, but nothing of hidden folders."""
    whole = str(Path(glob.escape(str(base))) / pattern)
    shown = glob.iglob(whole, recursive=True)  # noqa: PTH207 - Path.glob takes hidden files
    hidden = glob.iglob(whole, recursive=True, include_hidden=True)  # noqa: PTH207
    above = (
        path for path in hidden if not any(part.startswith(".") for part in Path(path).relative_to(base).parts[:-1])
    )
    return sorted({*shown, *above}) if not pattern.startswith("/") else sorted(shown)


def _unfit(path: Path, env: Mapping[str, str]) -> str:
    """Return why a path must not be published, as a clause; with `!` in front if that is an error even for a glob."""
    try:
        status = os.lstat(path)
    except (OSError, ValueError) as error:
        return f"can't be read ({getattr(error, 'strerror', '') or 'no such path'})"
    if not stat.S_ISREG(status.st_mode):
        kind = {stat.S_IFLNK: "a link", stat.S_IFIFO: "a FIFO", stat.S_IFDIR: "a folder", stat.S_IFSOCK: "a socket"}
        return f"is {kind.get(stat.S_IFMT(status.st_mode), 'a device')}, not a regular file"
    within = [Path(place) for name in ("GITHUB_WORKSPACE", "RUNNER_TEMP") if (place := env.get(name, ""))]
    real = Path(os.path.realpath(path))
    if env.get("GITHUB_WORKSPACE") and not any(real.is_relative_to(os.path.realpath(place)) for place in within):
        return "!lies outside the workspace and RUNNER_TEMP"
    return ""


def _secret(path: Path, env: Mapping[str, str]) -> str:
    """Return why a file must never become public, however it was matched; empty if nothing speaks against it."""
    if re.fullmatch(r"gha-creds-.*\.json|\.env", path.name, re.IGNORECASE):
        return "!holds credentials by its name, and is never published"
    for variable in _SECRET_FILES:
        named = env.get(variable, "")
        if named and os.path.realpath(named) == os.path.realpath(path):
            return f"!is the file that {variable} names, and is never published"
    try:
        with open(path, "rb", opener=_open) as file:
            if _PRIVATE.search(file.read(4096)):
                return "!holds a private key or credentials, and is never published"
    except OSError as error:
        return f"can't be read ({error.strerror})"
    return ""


def opened(name: str, path: Path) -> Artifact:
    """Open a file and hash it. Raises OSError."""
    file = open(path, "rb", opener=_open)  # noqa: SIM115 - it stays open until it is uploaded
    before = os.fstat(file.fileno())
    if not stat.S_ISREG(before.st_mode):
        file.close()
        raise OSError(None, "not a regular file any more")
    digest, size = hashlib.sha256(), 0
    for chunk in chunks(file):
        digest.update(chunk)
        size += len(chunk)
    artifact = Artifact(wanted=Wanted(name=name, size=size, sha256=digest.hexdigest()), file=file, before=before)
    if size != before.st_size:
        raise ReplicatorError(CHANGED_MEANWHILE, f"{quoted(name)} was written to while it was hashed")
    artifact.checked()
    return artifact


def chunks(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the whole file in pieces of a MiB."""
    file.seek(0)
    while chunk := file.read(_CHUNK):
        yield chunk


class Body:
    """A file as the body of a request, in pieces, with what is around it in a form. Each request needs a new one."""

    def __init__(self, artifact: Artifact, head: bytes = b"", tail: bytes = b"") -> None:
        self._parts = artifact, head, tail
        self.len = len(head) + artifact.wanted.size + len(tail)
        """Bytes, where requests looks for it: without it the body would be sent in chunks, which GitHub refuses."""

    def __iter__(self) -> Iterator[bytes]:
        """Yield the pieces."""
        artifact, head, tail = self._parts
        if head:
            yield head
        yield from chunks(artifact.file)
        if tail:
            yield tail


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
