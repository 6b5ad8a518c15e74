"""Reads untrusted input files safely: regular files only, size-limited, inside the workspace."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from replicator.bootstrap.quote import is_secret, quoted, quoted_path
from replicator.core.errors import InputProblem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


class Unfit(ValueError):
    """A file that can't be read safely. The message names the path and the reason; it quotes nothing of the file."""


def given(text: str, env: Mapping[str, str], *, largest: int) -> str:
    """Return the text of a file that an input names, relative to the workspace. Raises Unfit.

    In a job, the file must be in the workspace or in RUNNER_TEMP once links are followed. Otherwise a checkout could
    make the log quote any file of the machine.
    """
    with _without_secrets(text):
        return decoded(given_bytes(text, env, largest=largest), Path(env.get("GITHUB_WORKSPACE", "")) / text)


def given_bytes(text: str, env: Mapping[str, str], *, largest: int) -> bytes:
    """Return the bytes of a file that an input names, under the same conditions as `given`. Raises Unfit."""
    with _without_secrets(text):
        return read_bytes(Path(env.get("GITHUB_WORKSPACE", "")) / text, largest=largest, within=_folders(env))


def place(text: str, env: Mapping[str, str]) -> Path:
    """Return the path of a file that an input names; where it may be is the same as for `given`. Raises Unfit."""
    path = Path(env.get("GITHUB_WORKSPACE", "")) / text
    with _without_secrets(text), _unfit(path, "file"):
        _check_place(path, Path(os.path.realpath(path, strict=True)), _folders(env))
    return path


def placed(
    given: Mapping[str, str], names: Sequence[str], env: Mapping[str, str]
) -> tuple[dict[str, str], list[InputProblem]]:
    """Return the paths of the files that an action's inputs name, as `place` does, and a problem for each unfit one."""
    found, problems = {}, []
    for name in names:
        if text := given.get(name, "").strip():
            try:
                found[name] = str(place(text, env))
            except Unfit as error:
                problems.append(InputProblem(name, str(error)))
    return found, problems


def folder(text: str, env: Mapping[str, str]) -> Path:
    """Return the path of a folder that an input names; where it may be is the same as for `given`. Raises Unfit."""
    path = Path(env.get("GITHUB_WORKSPACE", "")) / text
    with _without_secrets(text), _unfit(path, "folder"):
        _check_place(path, Path(os.path.realpath(path, strict=True)), _folders(env))
        is_folder = path.is_dir()
    if not is_folder:
        raise Unfit(f"{_shown(path)} isn't a folder")
    return path


def below(folder: Path, *, suffix: str, most: int) -> dict[str, Path]:
    """Return the files below a folder, by their relative paths; links to folders are not followed.

    Raises Unfit if a folder can't be read or there are more files than `most`.
    """

    def stop(error: OSError) -> None:
        raise Unfit(f"{_shown(error.filename or folder)} can't be read ({error.strerror or error})")

    found: dict[str, Path] = {}
    for parent, _, names in os.walk(folder, onerror=stop):
        found |= {
            (path := Path(parent, name)).relative_to(folder).as_posix(): path for name in names if name.endswith(suffix)
        }
        if len(found) > most:
            raise Unfit(f"{_shown(folder)} holds more than {most} files *{suffix}")
    return dict(sorted(found.items()))


def read(path: Path, *, largest: int, within: Sequence[Path] = ()) -> str:
    """Return the text of a regular UTF-8 file of at most `largest` bytes, in one of the folders `within` if any.

    Raises Unfit.
    """
    return decoded(read_bytes(path, largest=largest, within=within), path)


def decoded(data: bytes, path: Path) -> str:
    """Return the text of a file from its bytes. Raises Unfit unless they are UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        is_utf_16 = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        hint = " but UTF-16, as PowerShell writes it: save it as UTF-8" if is_utf_16 else ""
        raise Unfit(f"{_shown(path)} is not UTF-8 text{hint}") from None


def read_bytes(path: Path, *, largest: int, within: Sequence[Path] = ()) -> bytes:
    """Return the bytes of a regular file, under the same conditions as `read`. Raises Unfit."""
    with _unfit(path, "file"):
        real = Path(os.path.realpath(path, strict=True))
        _check_place(path, real, within)
        _check(path, real.stat(), largest)
        with open(real, "rb", opener=_open) as file:
            # The file may have been replaced meanwhile, and it may grow.
            _check(path, os.fstat(file.fileno()), largest)
            data = file.read(largest + 1)
        _check_size(path, len(data), largest)
    return data


@contextlib.contextmanager
def _unfit(path: Path, kind: str) -> Iterator[None]:
    """Turn every system error about the path into Unfit."""
    try:
        yield
    except OSError as error:
        raise Unfit(f"{_shown(path)} can't be read ({error.strerror or error})") from None
    except Unfit:
        raise
    except ValueError:
        # No path can hold a NUL or half a character.
        raise Unfit(f"{_shown(path)} can't be the path of a {kind}") from None


@contextlib.contextmanager
def _without_secrets(text: str) -> Iterator[None]:
    """Within it no Unfit names what was given where that may be a secret: before a folder it may not look like it."""
    try:
        yield
    except Unfit:
        if is_secret(text):
            raise Unfit(f"{quoted(text)} isn't the path of a file or folder that can be read") from None
        raise


def _folders(env: Mapping[str, str]) -> list[Path]:
    """Return the folders that the caller's files must be in; empty outside a job, where they may be anywhere."""
    workspace = env.get("GITHUB_WORKSPACE", "")
    return [Path(place) for place in (workspace, env.get("RUNNER_TEMP", "")) if place] if workspace else []


def _check_place(path: Path, real: Path, within: Sequence[Path]) -> None:
    if within and not any(real.is_relative_to(os.path.realpath(folder)) for folder in within):
        listed = " or ".join(_shown(folder) for folder in within)
        raise Unfit(f"{_shown(path)} lies outside {listed} (links are followed); put the file there")


def _check(path: Path, status: os.stat_result, largest: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise Unfit(f"{_shown(path)} isn't a regular file")
    _check_size(path, status.st_size, largest)


def _check_size(path: Path, size: int, largest: int) -> None:
    if size > largest:
        raise Unfit(f"{_shown(path)} has {size} bytes or more; at most {largest} are read")


def _shown(path: Path | str) -> str:
    return quoted_path(str(path))


def _open(path: str, flags: int) -> int:
    # The file may have been replaced by a FIFO, which must not block the run until somebody writes to it.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))
