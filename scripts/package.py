"""Builds the wheel and the source archive into dist/, and tries them: `make package`. `package.py FOLDER` only builds.

They are the same to the byte in whatever folder, by whomever they are built: built twice, and compared. twine checks
what an index would show. The wheel is installed without a network into an environment of its own, where each command
tells its options and `plan` runs against the emulator. What it depends on is fetched once, as the locks name it.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[1]
# Isolated (-I), so that nothing else on this machine is imported.
sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DIST = ROOT / "dist"
BUILD = ROOT / "build" / "package"
#: What the archives are made of.
SOURCES = ("replicator/", "pyproject.toml", "README.md", "LICENSE", "MANIFEST.in")
#: A frontend's call of the backend, without the frontend: PEP 517.
HOOK = "import sys; from setuptools import build_meta; getattr(build_meta, sys.argv[1])(sys.argv[2])"
#: 1980, before which no zip archive can be.
_OLDEST = "315532800"


def main(argv: Sequence[str]) -> int:
    """Build, compare and try. Returns the exit code; what fails raises."""
    if argv:
        return 0 if built(Path(argv[0])) else 1
    shutil.rmtree(DIST, ignore_errors=True)
    files = built(DIST)
    if not files:
        return 1
    run([environment("tools", ROOT / "locks" / "package.txt"), "-I", "-m", "twine", "check", "--strict", *files])
    try_out(files[1])
    return 0


def built(target: Path) -> list[Path]:
    """Build both archives twice, compare, and put them into a new folder. Returns their paths; none if they differ."""
    with tempfile.TemporaryDirectory(prefix="replicator-package-") as name:
        folder = Path(name)
        first, second = build(folder / "one", umask=0o022), build(folder / "a longer name" / "two", umask=0o077)
        for one, other in zip(first, second, strict=True):
            if one.read_bytes() != other.read_bytes():
                say(f"{one.name} differs from one build to the next")
                return []
        target.mkdir(parents=True)
        files = [Path(shutil.copy(path, target)) for path in first]
    say(f"built {', '.join(path.name for path in files)}: twice, and the same to the byte")
    return files


def build(folder: Path, *, umask: int) -> tuple[Path, Path]:
    """Build the source archive from a copy of the sources, and the wheel from the source archive."""
    source = folder / "source"
    for name in tracked():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((ROOT / name).read_bytes())
        path.chmod(0o666 & ~umask)
    env = {**os.environ, "SOURCE_DATE_EPOCH": epoch()}
    run([sys.executable, "-I", "-c", HOOK, "build_sdist", folder], cwd=source, env=env, umask=umask)
    (archive,) = folder.glob("*.tar.gz")
    pack_anew(archive, int(epoch()))
    with tarfile.open(archive) as packed:
        packed.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    # The wheel has the modes of the files, which are those of the archive, and of those that the backend writes.
    run([sys.executable, "-I", "-c", HOOK, "build_wheel", folder], cwd=unpacked, env=env, umask=0o022)
    (wheel,) = folder.glob("*.whl")
    return archive, wheel


def tracked() -> list[str]:
    """Return the files of the repository that the archives are made of; without git, all that are there."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    there = (path for path in ROOT.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    names = listed.stdout.split("\n")[:-1] or [path.relative_to(ROOT).as_posix() for path in there]
    return [name for name in names if name.startswith(SOURCES)]


def epoch() -> str:
    """Return the time of what is packed, in seconds since 1970: that of the commit."""
    command = ["git", "log", "-1", "--format=%ct"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    return os.environ.get("SOURCE_DATE_EPOCH") or told or _OLDEST


def pack_anew(archive: Path, seconds: int) -> None:
    """Write a tar.gz again, without what differs from one machine to the next: times, owners, modes, order."""
    packed = io.BytesIO()
    with tarfile.open(archive) as old, tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new:
        for member in sorted(old.getmembers(), key=lambda member: member.name):
            plain = tarfile.TarInfo(member.name)
            plain.type, plain.size, plain.mtime = member.type, member.size, seconds
            plain.mode = 0o755 if member.isdir() else 0o644
            new.addfile(plain, old.extractfile(member) if member.isfile() else None)
    archive.write_bytes(gzip.compress(packed.getvalue(), mtime=seconds))


def try_out(wheel: Path) -> None:
    """Install the wheel without a network where nothing else is, and run it."""
    from emulator.testing import running
    from replicator.bootstrap.command import every

    house = wheelhouse(wheel)
    offline = ["--no-index", "--find-links", house, "--find-links", DIST]
    python = environment("clean")
    run([python, "-I", "-m", "pip", "--quiet", "install", *offline, wheel])
    with tempfile.TemporaryDirectory() as name, running() as emulator:
        emulator.add_image(project="p1", name="web-v1", family="web")
        env = {
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE": f"{emulator.url}/",
            "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
            "PATH": os.defpath,
        }

        def ours(*words: str) -> str:
            return run([python.with_name("gce-image-replicator"), *words], cwd=Path(name), env=env)

        version = ours("--version")
        for command in every():
            ours(*command.verb.split(), "--help")
        json.loads(ours("schema", "config"))
        planned = json.loads(ours("plan", "--source-image", "projects/p1/global/images/web-v1", "--json"))
        if planned["result"] != "planned" or len(planned["plan"]) != 3:
            raise ValueError(f"the plan of the installed wheel: {planned}")
        uvx = Path(sys.executable).with_name("uvx")
        fetched = run(
            [uvx, "--offline", *offline, "--from", "gce-image-replicator", "replicator", "--version"], env=env
        )
    if fetched != version:
        raise ValueError(f"uvx runs {fetched!r}, not {version!r}")
    say(f"installed without a network, and run: {version.strip()}, {len(every())} commands, a plan, uvx")


def wheelhouse(wheel: Path) -> Path:
    """Return a folder with everything that the wheel depends on, in the versions of the locks; fetched once."""
    locked = (ROOT / "locks" / "action.txt").read_text("utf-8")
    house = BUILD / f"wheelhouse-{zlib.crc32((locked + sys.version).encode()):08x}"
    if not house.exists():
        constraints = BUILD / "constraints.txt"
        # Without hashes: what the locks leave out, because nobody imports it, has none.
        constraints.write_text("\n".join(re.findall(r"^[\w.-]+==\S+(?: ; .*)?(?= \\)", locked, re.MULTILINE)), "utf-8")
        say("fetching what it depends on, once")
        python = environment("tools", ROOT / "locks" / "package.txt")
        options = ["--only-binary", ":all:", "--constraint", constraints, "--dest", BUILD / "fetched"]
        run([python, "-I", "-m", "pip", "--quiet", "download", *options, wheel])
        (BUILD / "fetched" / wheel.name).unlink()
        (BUILD / "fetched").rename(house)
    return house


def environment(name: str, lock: Path | None = None) -> Path:
    """Make a virtual environment with what a lock says, and return its Python; one without a lock is made anew."""
    known = f"{zlib.crc32((lock.read_text('utf-8') + sys.version).encode()):08x}" if lock else ""
    folder = BUILD / name / known
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        if lock:
            run([python, "-I", ROOT / "scripts" / "install_lock.py", lock])
            (folder / "ready").touch()
    return python


def run(command: Sequence[object], *, cwd: Path = ROOT, env: Mapping[str, str] | None = None, umask: int = -1) -> str:
    """Run a command and return what it prints. Raises CalledProcessError, after showing everything, if it fails."""
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env=env, umask=umask, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        done.check_returncode()
    return done.stdout


def say(line: str) -> None:
    """Print a line at once."""
    print(f"package: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
