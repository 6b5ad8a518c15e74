"""Rehearses a release of this work tree: rehearse_release.py VERSION

In a scratch repository with a bare repository as its remote, `release.py` runs as in the workflow: once with each
obstacle alone, and once with none. Its packages go to an index on loopback, by twine, and are installed from there.
Nothing outside the scratch folder changes, but for a cache in build/package.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from scripts.loopback_index import Index

ROOT = Path(__file__).resolve().parent.parent
# Isolated (-I), so that nothing else on this machine is imported.
sys.path.insert(0, str(ROOT))

from scripts import loopback_index, package  # noqa: E402
from scripts.release import Version  # noqa: E402

CODE = "replicator/__init__.py"

#: Ignores the git settings of the machine and the caller, and their names.
ENV = {
    "PATH": os.environ.get("PATH", os.defpath),
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{who}_{what}": "rehearsal@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}


class Failed(Exception):
    """The rehearsal did not go as a release should."""


@dataclass(frozen=True)
class Scratch:
    """A clone of this work tree, in which the release was prepared and merged."""

    folder: Path
    version: str

    @property
    def work(self) -> Path:
        """The clone."""
        return self.folder / "work"

    @property
    def remote(self) -> Path:
        """What it pushes to."""
        return self.folder / "remote.git"

    def run(self, *words: str, code: int = 0) -> str:
        """Run a command in the clone and return its output. Raises Failed if it exits with another code."""
        done = subprocess.run(words, cwd=self.work, env=ENV, capture_output=True, text=True, check=False)
        if done.returncode != code:
            raise Failed(f"{' '.join(words)} ended with {done.returncode}, not {code}:\n{done.stdout}{done.stderr}")
        return (done.stdout + done.stderr).strip()

    def git(self, *words: str) -> str:
        """git in the clone."""
        return self.run("git", *words)

    def release(self, command: str, *words: str, version: str = "", code: int = 0) -> str:
        """The script that makes releases."""
        script = (sys.executable, "-I", "-B", "scripts/release.py")
        return self.run(*script, command, version or self.version, *words, code=code)

    def head(self) -> str:
        """The commit that is checked out."""
        return self.git("rev-parse", "HEAD")

    def remote_tags(self) -> dict[str, str]:
        """The remote's tags and their commits."""
        lines = self.git("ls-remote", "--tags", str(self.remote)).splitlines()
        pairs = (line.split("\t") for line in lines)
        return {ref.removeprefix("refs/tags/").removesuffix("^{}"): commit for commit, ref in pairs}

    def commit(self, message: str) -> None:
        """Commit everything, and push it to the remote's main branch."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        self.git("push", "--quiet", "origin", "HEAD:refs/heads/main")

    def edit(self, path: str, old: str, new: str) -> None:
        """Change a file's text."""
        text = (self.work / path).read_text(encoding="utf-8")
        if old not in text:
            raise Failed(f"{path} does not hold {old!r}")
        (self.work / path).write_text(text.replace(old, new), encoding="utf-8")


def scratch(folder: Path, version: str) -> Scratch:
    """A copy of this work tree, uncommitted changes included, with the release prepared."""
    made = Scratch(folder, version)
    made.work.mkdir(parents=True)
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-coz", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, os.fsdecode(listed.stdout).split("\0")):
        if (ROOT / name).is_file():
            (made.work / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, made.work / name)
    made.git("init", "--quiet", "--initial-branch=main")
    made.git("init", "--quiet", "--bare", str(made.remote))
    made.git("remote", "add", "origin", str(made.remote))
    made.commit("All that was before")
    made.release("prepare")
    made.commit(f"Release {version}")
    return made


def _tag(scratch: Scratch, *names: str) -> None:
    for name in names:
        scratch.git("push", "--quiet", "origin", f"HEAD~1:refs/tags/{name}")


def _later(version: str) -> str:
    first, second, _ = version.partition("-")[0].split(".")
    return f"{first}.{int(second) + 1}.0"


def _unpushed(scratch: Scratch) -> None:
    scratch.git("commit", "--quiet", "--allow-empty", "--message", "Not on main")


def _empty_section(scratch: Scratch) -> None:
    path = scratch.work / "CHANGELOG.md"
    before, heading, after = path.read_text(encoding="utf-8").partition(f"## [{scratch.version}]")
    date = after.partition("\n")[0]
    path.write_text(f"{before}{heading}{date}\n", encoding="utf-8")
    scratch.commit("Nothing to say")


def _other_section(scratch: Scratch) -> None:
    scratch.edit("CHANGELOG.md", f"## [{scratch.version}]", "## [0.0.0]")
    scratch.commit("Another section")


def _other_code(scratch: Scratch) -> None:
    scratch.edit(CODE, f'"{scratch.version}"', '"0.0.0"')
    scratch.commit("Another version")


#: Name of an obstacle → the function that makes it, and a part of the message.
OBSTACLES: dict[str, tuple[Callable[[Scratch], None], str]] = {
    "the tag exists": (lambda it: _tag(it, f"v{it.version}"), "exists, and a release never changes"),
    "the version goes backwards": (lambda it: _tag(it, f"v{_later(it.version)}"), "which is released"),
    "the CHANGELOG lacks the section": (_other_section, "CHANGELOG.md has no section"),
    "the section is empty": (_empty_section, "CHANGELOG.md has no section"),
    "the code has another version": (_other_code, f"{CODE} says 0.0.0"),
    "the work tree is dirty": (lambda it: it.edit("README.md", "\n", "\n\n"), "the work tree is dirty"),
    "a file is not committed": (lambda it: (it.work / "new").touch(), "the work tree is dirty"),
    "the commit is not on main": (_unpushed, "is not the head of main"),
}


def refusals(folder: Path, version: str) -> None:
    """Check that each obstacle alone is refused for that reason only, and no tag is pushed."""
    for number, (name, (arrange, said)) in enumerate(OBSTACLES.items()):
        it = scratch(folder / str(number), version)
        arrange(it)
        before = it.remote_tags()
        _refused(it, said, "--tested", it.head())
        if it.remote_tags() != before:
            raise Failed(f"{name}: refused, and yet the remote's tags changed")
        print(f"ok  refused: {name}")
    it = scratch(folder / "untested", version)
    for words in ((), ("--tested", it.git("rev-parse", "HEAD~1"))):
        _refused(it, "the tests passed on", *words)
    print("ok  refused: the tests did not pass on this commit")
    it.release("publish", version="1.2", code=2)
    print("ok  refused: an invalid version")


def _refused(it: Scratch, said: str, *words: str) -> None:
    answer = it.release("publish", *words, code=1)
    if said not in answer or len(answer.splitlines()) != 1:
        raise Failed(f"'{said}' was expected as the only reason:\n{answer}")


def packages(it: Scratch, index: Index) -> None:
    """Build what package indexes get from the released commit, upload it, and install it from there."""
    version, folder = Version.parse(it.version), it.folder / f"packages-{it.version}"
    it.run(sys.executable, "-I", "-B", "scripts/package.py", str(folder))
    files = [folder / name for name in it.release("packages", str(folder)).splitlines()]
    (folder / "notes.txt").touch()
    it.release("packages", str(folder), code=1)
    (folder / "notes.txt").unlink()
    tools = package.environment("tools", ROOT / "locks" / "package.txt")
    twine = [str(tools), "-I", "-m", "twine", "upload", "--non-interactive", "--disable-progress-bar"]
    twine += ["--username=__token__", "--password=none", f"--repository-url={index.upload}"]
    it.run(*twine, *map(str, files))
    if "File already exists" not in it.run(*twine, str(files[0]), code=1):
        raise Failed("the index took a file twice")
    if {path.name: path.read_bytes() for path in files} != {name: index.files[name] for name in version.packages}:
        raise Failed("the index has other bytes than those that were built")
    wheel = next(path for path in files if path.suffix == ".whl")
    offline = [f"--index-url={index.simple}", f"--find-links={package.wheelhouse(wheel)}", "--only-binary=:all:"]
    python = package.environment(f"from-index-{version.package}")
    wanted = ["--pre"] if version.is_candidate else []
    it.run(str(python), "-I", "-m", "pip", "--quiet", "install", *offline, *wanted, "gce-image-replicator")
    said = it.run(str(python.with_name("gce-image-replicator")), "--version")
    if said != f"gce-image-replicator {it.version}":
        raise Failed(f"what the index gave says {said!r}")
    print(f"ok  packages: {', '.join(path.name for path in files)}: uploaded once, installed, and run")


def success(folder: Path, version: str) -> None:
    """Release with no obstacle, then a pre-release, then a later release."""
    it = scratch(folder / "good", version)
    released = it.head()
    notes = it.release("notes")
    if "- " not in notes or "## [" in notes:
        raise Failed(f"these aren't release notes:\n{notes}")
    print(f"ok  notes of {version}: {len(notes.splitlines())} lines of the CHANGELOG")
    digests = {
        hashlib.sha256(Path(it.release("archive", str(folder / name))).read_bytes()).hexdigest() for name in ("a", "b")
    }
    if len(digests) != 1:
        raise Failed("two archives of one commit differ")
    print(f"ok  archive: sha256:{digests.pop()}, twice")
    with loopback_index.serving() as index:
        _released(it, index, released)


def _released(it: Scratch, index: Index, released: str) -> None:
    version = it.version
    _publish(it)
    packages(it, index)
    moving = "v" + version.partition(".")[0]
    wanted = {f"v{version}": released} | ({} if "-" in version else {moving: released})
    _expect(it, wanted)
    it.release("publish", "--tested", released, code=1)
    _expect(it, wanted)
    print("ok  refused: the same again")
    for later in (f"{_later(version)}-rc.1", _later(version)):
        it = Scratch(it.folder, later)
        it.edit("CHANGELOG.md", "## [Unreleased]\n", "## [Unreleased]\n\n### Fixed\n\n- Something.\n")
        it.release("prepare")
        it.commit(f"Release {later}")
        _publish(it)
        if "-" in later:
            packages(it, index)
        wanted |= {f"v{later}": it.head()} | ({} if "-" in later else {moving: it.head()})
        _expect(it, wanted)


def _publish(it: Scratch) -> None:
    it.release("check", "--tested", it.head())
    it.release("publish", "--tested", it.head())


def _expect(it: Scratch, wanted: dict[str, str]) -> None:
    tags = it.remote_tags()
    if tags != wanted:
        raise Failed(f"the remote has the tags {tags}, not {wanted}")
    print("ok  tags:", ", ".join(f"{tag} at {commit[:7]}" for tag, commit in sorted(tags.items())))


def main(argv: list[str]) -> int:
    """Rehearse. Returns the exit code."""
    if len(argv) != 1 or not argv[0]:
        print("give the version: make release-check VERSION=1.0.0", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        try:
            refusals(Path(folder), argv[0])
            success(Path(folder), argv[0])
        except Failed as error:
            print(f"FAILED  {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
