"""The action with a lock of one small wheel, so that a set-up takes seconds and needs no network.

The wheel holds one `.pth` line, which makes the packages of these tests' own environment importable: they are pinned to
the versions of the action's lock. All else, and above all `setup.sh`, is the real thing.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import sysconfig
import zipfile
from typing import TYPE_CHECKING

from tests.e2e.harness import Action

if TYPE_CHECKING:
    from pathlib import Path

NAME = "replicator-stand-in"
_PARTS = ("action.yml", "setup.sh", "replicator", "merge", "verify")


def make_wheel(folder: Path, version: str = "1.0", note: str = "") -> Path:
    """The wheel; another `note` makes another file under the same name."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{NAME.replace('-', '_')}-{version}"
    path = folder / f"{stem}-py3-none-any.whl"
    texts = {
        "replicator_stand_in.pth": f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n",
        f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {version}\n\n{note}\n",
        f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},{_digest(text)},{len(text.encode())}\n" for name, text in texts.items())
    texts[f"{stem}.dist-info/RECORD"] = f"{record}{stem}.dist-info/RECORD,,\n"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in texts.items():
            # A fixed time: the same wheel has the same hash.
            archive.writestr(zipfile.ZipInfo(name), text)
    return path


def _digest(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def make_action(exported: Path, folder: Path, wheel: Path, signing: Path | None = None) -> Action:
    """A copy of the action whose lock names that wheel; the lock for keyless signing another one, if there is one."""
    folder.mkdir(parents=True)
    for name in _PARTS:
        source = exported / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, folder / name)
    for lock, named in (("requirements.txt", wheel), ("requirements-sign.txt", signing or wheel)):
        version = named.name.split("-")[1]
        digest = hashlib.sha256(named.read_bytes()).hexdigest()
        (folder / lock).write_text(f"{NAME}=={version} \\\n    --hash=sha256:{digest}\n", "utf-8")
    return Action.load(folder)
