"""The action with a lock of one small wheel, so that a set-up takes seconds and needs no network.

The wheel holds one `.pth` line, which makes the packages of these tests' own environment importable: they are pinned to
the versions of the action's lock. uv is the one of that environment, pinned as well, wrapped up again. All else, and
above all `setup.sh`, is the real thing.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import shutil
import sysconfig
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from testkit.harness.job import Action

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "replicator-stand-in"
_PARTS = ("action.yml", "launch.sh", "setup.sh", "replicator")


#: The uv of these tests.
UV = Path(sysconfig.get_path("scripts"), "uv")


def make_wheel(folder: Path, version: str = "1.0", note: str = "") -> Path:
    """The wheel; another `note` makes another file under the same name."""
    libraries = f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n"
    return _wheel(folder, NAME, version, {"replicator_stand_in.pth": libraries.encode()}, note)


def make_uv(folder: Path, program: bytes = b"") -> Path:
    """A wheel of uv, or of a program that takes its place."""
    version = importlib.metadata.version("uv")
    return _wheel(folder, "uv", version, {f"uv-{version}.data/scripts/uv": program or UV.read_bytes()})


def _wheel(folder: Path, name: str, version: str, files: Mapping[str, bytes], note: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{name.replace('-', '_')}-{version}"
    path = folder / f"{stem}-py3-none-any.whl"
    about = {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\n{note}\n",
        "WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files = {**files, **{f"{stem}.dist-info/{file}": text.encode() for file, text in about.items()}}
    record = "".join(f"{file},{_digest(data)},{len(data)}\n" for file, data in files.items())
    files[f"{stem}.dist-info/RECORD"] = f"{record}{stem}.dist-info/RECORD,,\n".encode()
    with zipfile.ZipFile(path, "w") as archive:
        for file, data in files.items():
            # A fixed time: the same wheel has the same hash.
            archive.writestr(zipfile.ZipInfo(file), data)
    return path


def _digest(data: bytes) -> str:
    digest = hashlib.sha256(data).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def make_action(
    exported: Path, folder: Path, wheel: Path, signing: Path | None = None, uv: Path | None = None
) -> Action:
    """A copy of the action whose lock names that wheel; the lock for keyless signing another one, if there is one.

    The lock of uv names the wheel that is given, or one that nobody has.
    """
    folder.mkdir(parents=True)
    for name in (*_PARTS, *(path.parent.name for path in exported.glob("*/action.yml"))):
        source = exported / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / name)
    locks = {"action.txt": wheel, "sign.txt": signing or wheel, "uv.txt": uv}
    (folder / "locks").mkdir()
    for lock, named in locks.items():
        name, version = named.name.replace("_", "-").split("-py3-")[0].rsplit("-", 1) if named else ("uv", "0.0.1")
        digest = hashlib.sha256(named.read_bytes()).hexdigest() if named else "0" * 64
        (folder / "locks" / lock).write_text(f"{name}=={version} \\\n    --hash=sha256:{digest}\n", "utf-8")
    return Action.load(folder)
