"""Makes a release; the workflow `release.yml` and the rehearsal `make release-check` both run it.

    release.py prepare VERSION              write the version and the CHANGELOG's heading, for a pull request
    release.py check   VERSION --tested SHA list everything that prevents a release
    release.py notes   VERSION              print the CHANGELOG's section
    release.py archive VERSION FOLDER       write the released tree as one file, for its attestation
    release.py packages VERSION FOLDER      check that a folder holds exactly what package indexes get
    release.py publish VERSION --tested SHA check, then push the tag `vX.Y.Z` and the moving tag `vX`, both or neither

The version is in one place, `replicator/__init__.py`. `vX.Y.Z` never changes; `vX` only moves forward, and never
to a pre-release. Standard library and git only.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAME = "gce-image-replicator"
CODE = Path("replicator") / "__init__.py"
CHANGELOG = Path("CHANGELOG.md")

_NUMBER = r"(0|[1-9][0-9]*)"
_VERSION = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-rc\.{_NUMBER})?")
_LINE = re.compile(r'^__version__ = "(.*)"$', re.MULTILINE)
_UNRELEASED = "## [Unreleased]"


@dataclass(frozen=True, order=True)
class Version:
    """`1.2.3`, or the pre-release `1.2.3-rc.1` that comes before it."""

    numbers: tuple[int, int, int]
    candidate: float = float("inf")

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read a version. Raises argparse's ArgumentTypeError if the text isn't one."""
        match = _VERSION.fullmatch(text)
        if not match:
            raise argparse.ArgumentTypeError(f"'{text}' isn't a valid version: write 1.2.3, or 1.2.3-rc.1, without v")
        first, second, third, candidate = match.groups()
        return cls((int(first), int(second), int(third)), int(candidate) if candidate else float("inf"))

    def __str__(self) -> str:
        numbers = ".".join(map(str, self.numbers))
        return f"{numbers}-rc.{self.candidate:.0f}" if self.is_candidate else numbers

    @property
    def is_candidate(self) -> bool:
        """Whether it is a pre-release."""
        return self.candidate != float("inf")

    @property
    def tag(self) -> str:
        """The tag of this version, which never changes."""
        return f"v{self}"

    @property
    def package(self) -> str:
        """This version as package indexes write it (PEP 440): `1.2.3`, `1.2.3rc1`."""
        numbers = ".".join(map(str, self.numbers))
        return f"{numbers}rc{self.candidate:.0f}" if self.is_candidate else numbers

    @property
    def packages(self) -> frozenset[str]:
        """The files that package indexes get: the wheel and the source archive."""
        stem = f"{NAME.replace('-', '_')}-{self.package}"
        return frozenset({f"{stem}-py3-none-any.whl", f"{stem}.tar.gz"})

    @property
    def moving_tag(self) -> str:
        """The tag that follows the newest release of its major version."""
        return f"v{self.numbers[0]}"


class Refused(Exception):
    """The release can't be made; `reasons` lists every reason."""

    def __init__(self, *reasons: str) -> None:
        super().__init__("\n".join(reasons))
        self.reasons = reasons


@dataclass(frozen=True)
class Repository:
    """A work tree, and the remote that releases are published on."""

    root: Path
    remote: str = "origin"
    branch: str = "main"

    def git(self, *words: str) -> str:
        """Run git and return its output. Raises Refused if it fails."""
        done = subprocess.run(["git", *words], cwd=self.root, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Refused(f"git {words[0]}: {done.stderr.strip()}")
        return done.stdout.strip()

    def read(self, path: Path) -> str:
        """Return a file's text."""
        return (self.root / path).read_text(encoding="utf-8")

    def version(self) -> str:
        """Return the version in the code."""
        match = _LINE.search(self.read(CODE))
        return match[1] if match else ""

    def tags(self) -> dict[str, str]:
        """Map the remote's tags to their commits."""
        found = {}
        for line in self.git("ls-remote", "--tags", self.remote).splitlines():
            commit, _, ref = line.partition("\t")
            # The line of an annotated tag's commit (^{}) follows that of the tag.
            found[ref.removeprefix("refs/tags/").removesuffix("^{}")] = commit
        return found

    def releases(self) -> list[Version]:
        """Return the versions that have a tag on the remote, the newest last."""
        return sorted(Version.parse(tag[1:]) for tag in self.tags() if tag[:1] == "v" and _VERSION.fullmatch(tag[1:]))

    def notes(self, version: Version) -> str:
        """Return the CHANGELOG's section. Raises Refused if it is missing or empty."""
        text = self.read(CHANGELOG)
        heading = rf"^## \[{re.escape(str(version))}\] - \d{{4}}-\d\d-\d\d\n"
        match = re.search(heading + r"(.*?)(?=^## \[|\Z)", text, re.MULTILINE | re.DOTALL)
        if not match or not re.search(r"^- ", match[1], re.MULTILINE):
            raise Refused(f"CHANGELOG.md has no section '## [{version}] - YYYY-MM-DD' with an entry")
        return match[1].strip() + "\n"

    def obstacles(self, version: Version, tested: str) -> list[str]:
        """Return every reason not to release the commit that is checked out."""
        head = self.git("rev-parse", "HEAD")
        found = []
        if self.git("status", "--porcelain"):
            found.append("the work tree is dirty: what is released must be a commit")
        if tested != head:
            found.append(f"the tests passed on '{tested}', but the commit to release is {head}")
        if self.git("ls-remote", self.remote, f"refs/heads/{self.branch}").partition("\t")[0] != head:
            found.append(f"{head} is not the head of {self.branch} on {self.remote}")
        if self.version() != str(version):
            found.append(f"{CODE.as_posix()} says {self.version()}")
        try:
            self.notes(version)
        except Refused as error:
            found += error.reasons
        releases = self.releases()
        if version in releases:
            found.append(f"the tag {version.tag} exists, and a release never changes")
        elif releases and version < releases[-1]:
            found.append(f"{version} comes before {releases[-1]}, which is released")
        return found

    def check(self, version: Version, tested: str) -> None:
        """Raise Refused if anything prevents the release."""
        found = self.obstacles(version, tested)
        if found:
            raise Refused(*found)

    def prepare(self, version: Version, date: str) -> None:
        """Write the version, and give the CHANGELOG's unreleased entries their heading."""
        text = self.read(CHANGELOG)
        if text.count(_UNRELEASED) != 1:
            raise Refused(f"CHANGELOG.md must have exactly one heading '{_UNRELEASED}'")
        code = _LINE.sub(f'__version__ = "{version}"', self.read(CODE))
        self._write(CODE, code)
        self._write(CHANGELOG, text.replace(_UNRELEASED, f"{_UNRELEASED}\n\n## [{version}] - {date}"))

    def _write(self, path: Path, text: str) -> None:
        (self.root / path).write_text(text, encoding="utf-8", newline="\n")

    def archive(self, version: Version, folder: Path) -> Path:
        """Write the released tree as one file, with the same bytes each time, and return its path."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder.resolve() / f"{NAME}-{version}.tar.gz"
        self.git("archive", "--format=tar.gz", f"--prefix={NAME}-{version}/", f"--output={path}", "HEAD")
        return path

    def packages(self, version: Version, folder: Path) -> list[str]:
        """Return the packages in a folder. Raises Refused if they aren't exactly those of this version."""
        there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        wrong = [f"{folder.name} holds {name}, which isn't published" for name in sorted(there - version.packages)]
        wrong += [f"{folder.name} lacks {name}" for name in sorted(version.packages - there)]
        if wrong:
            raise Refused(*wrong)
        return sorted(there)

    def publish(self, version: Version, tested: str) -> list[str]:
        """Make the tags and push them, all or none. Returns their names."""
        self.check(version, tested)
        tags = [version.tag] if version.is_candidate else [version.tag, version.moving_tag]
        before = self.git("ls-remote", self.remote, f"refs/tags/{version.moving_tag}").partition("\t")[0]
        for tag in tags:
            self.git("tag", "--annotate", "--force", "--message", f"{NAME} {version}", tag, "HEAD")
        # The release's own tag is pushed without force; the moving one only if it is still where it was just seen.
        moving = [f"--force-with-lease=refs/tags/{tag}:{before}" for tag in tags[1:]]
        self.git("push", "--atomic", "--quiet", *moving, self.remote, *(f"refs/tags/{tag}" for tag in tags))
        return tags


def main(argv: list[str]) -> int:
    """Run one command. Returns the exit code."""
    parser = argparse.ArgumentParser(description="Make a release.")
    parser.add_argument("command", choices=["prepare", "check", "notes", "archive", "packages", "publish"])
    parser.add_argument("version", type=Version.parse)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("dist"))
    parser.add_argument("--tested", default="", help="the commit on which the tests passed")
    given = parser.parse_args(argv)
    repository, version = Repository(ROOT), given.version
    try:
        match given.command:
            case "prepare":
                repository.prepare(version, datetime.now(UTC).date().isoformat())
            case "check":
                repository.check(version, given.tested)
            case "notes":
                print(repository.notes(version), end="")
            case "archive":
                print(repository.archive(version, given.folder))
            case "packages":
                print(*repository.packages(version, given.folder), sep="\n")
            case "publish":
                print("pushed", *repository.publish(version, given.tested))
    except Refused as error:
        for reason in error.reasons:
            print(f"release {version} refused: {reason}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
