"""Builds the container image of Dockerfile without a daemon, on a base of Debian's packages, and runs it.

The base that Dockerfile names is in a registry; here mmdebstrap makes one from Debian 12, whose Python is 3.11. buildah
builds the stages as they are, with the wheels of the lock handed in, and without a package index. What runs has a root
file system that is read-only, and is nobody: user 65532. Base and wheels are kept in a cache folder.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scripts import package
from testkit.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

USER = 65532
_SUITE = "bookworm"
_PACKAGES = "python3,python3-venv,ca-certificates"
_LOCK = ROOT / "locks" / "sign.txt"
_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gce-image-replicator" / "container"
_LONGEST = 1200.0
#: Runs the entry in a root file system that can't be written to; only the work folder and /tmp can.
_READ_ONLY = """
mount --bind "$ROOTFS" "$ROOTFS"
mount -o remount,bind,ro "$ROOTFS"
mount --bind "$WORK" "$ROOTFS/workdir"
mount -t tmpfs -o mode=1777 tmpfs "$ROOTFS/tmp"
mount --bind /dev "$ROOTFS/dev"
exec chroot --userspec=65532:65532 "$ROOTFS" /usr/bin/env -i --chdir=/workdir "$@"
"""


class Missing(Exception):
    """The image can't be built here, with the reason."""


@dataclass(frozen=True, slots=True)
class Image:
    """The image, and a container of it."""

    name: str
    container: str
    root: Path
    """Where the container's root file system is mounted."""
    config: Mapping[str, Any]
    """What the image says of itself, in OCI's form."""

    def read_only(self, work: Path, env: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
        """Run the image's entry in a read-only root, with `work` mounted as the working folder."""
        given = [*self.config["Env"], *(f"{name}={value}" for name, value in env.items())]
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", _READ_ONLY, "sh", *given]
        return subprocess.run(
            [*command, *self.config["Entrypoint"], *words],
            env={"PATH": os.environ["PATH"], "ROOTFS": str(self.root), "WORK": str(work)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=180,
            check=False,
        )


def missing() -> str:
    """Why no image can be built here; empty where one can."""
    lacking = [name for name in ("buildah", "mmdebstrap", "unshare") if not shutil.which(name)]
    if lacking:
        return f"the container can't be built: {', '.join(lacking)} is missing (Debian has packages of these names)"
    if os.geteuid():
        return "the container can't be built: mounting its root file system needs root"
    return "" if sys.version_info[:2] == (3, 11) else "the container's wheels are for Python 3.11, which Debian 12 has"


def buildah(*words: object) -> str:
    """Run buildah with a store of its own. Raises CalledProcessError."""
    settings = _CACHE / "storage.conf"
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text(f'[storage]\ndriver="vfs"\nrunroot="{_CACHE}/run"\ngraphroot="{_CACHE}/graph"\n', "utf-8")
    env = {**os.environ, "CONTAINERS_STORAGE_CONF": str(settings), "BUILDAH_ISOLATION": "chroot"}
    done = subprocess.run(
        ["buildah", *map(str, words)], env=env, capture_output=True, text=True, timeout=_LONGEST, check=False
    )
    if done.returncode:
        raise RuntimeError(f"buildah {words[0]}: {done.stderr[-2000:]}")
    return done.stdout.strip()


def built(folder: Path) -> Image:
    """Build the image from this work tree in a new folder. Raises Missing where packages can't be fetched."""
    (folder / "dist").mkdir(parents=True)
    (folder / "locks").mkdir()
    _, wheel = package.build(folder / "wheel", umask=0o077)
    shutil.copy(wheel, folder / "dist")
    shutil.copy(_LOCK, folder / "locks")
    for name in ("Dockerfile", ".dockerignore"):
        shutil.copy(ROOT / name, folder)
    tag = "localhost/gce-image-replicator:test"
    buildah(
        "bud", "--quiet", f"--build-arg=BASE={_base()}", "--build-arg=PIP_NO_INDEX=1",
        "--build-arg=PIP_FIND_LINKS=/wheels", f"--volume={_wheels()}:/wheels:ro", f"--tag={tag}", folder,
    )  # fmt: skip
    container = buildah("from", tag)
    config = json.loads(buildah("inspect", "--type=image", tag))["OCIv1"]["config"]
    return Image(tag, container, Path(buildah("mount", container)), config)


def remove(image: Image) -> None:
    """Remove the container and the image; the base stays."""
    buildah("rm", image.container)
    buildah("rmi", image.name)


def _base() -> str:
    """The base image, made once."""
    name = f"localhost/base:{_SUITE}-{zlib.crc32(_PACKAGES.encode()):08x}"
    if name in buildah("images", "--format={{.Name}}:{{.Tag}}").splitlines():
        return name
    tar = _CACHE / "base.tar"
    made = subprocess.run(
        ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={_PACKAGES}", _SUITE, str(tar)],
        capture_output=True,
        text=True,
        timeout=_LONGEST,
        check=False,
    )
    if made.returncode:
        raise Missing(f"the container's base can't be made: mmdebstrap: {made.stderr.strip().splitlines()[-1]}")
    container = buildah("from", "scratch")
    buildah("add", "--quiet", container, tar, "/")
    buildah("commit", "--quiet", "--rm", container, name)
    tar.unlink()
    return name


def _wheels() -> Path:
    """The folder with the wheels of the lock, fetched once, each checked by its hash."""
    folder = _CACHE / f"wheels-{zlib.crc32(_LOCK.read_bytes()):08x}"
    if not folder.exists():
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        options = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "--requirement", str(_LOCK)]
        fetched = subprocess.run(
            [sys.executable, "-I", "-m", "pip", "--quiet", "download", *options, "--dest", str(part)],
            capture_output=True,
            text=True,
            timeout=_LONGEST,
            check=False,
        )
        if fetched.returncode:
            raise Missing(f"the container's wheels can't be fetched: {fetched.stderr.strip().splitlines()[-1]}")
        part.rename(folder)
    return folder
