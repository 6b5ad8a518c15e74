"""Installs the packages of a lock file into a virtual environment with uv, in a fraction of the time that pip takes.

    python -I -B install.py INTERPRETER LOCK UV_LOCK

`setup.sh` runs this script before anything is installed, so it uses the standard library only. If uv can't be found,
fetched or used, the script prints the reason in one line and exits with 1; `setup.sh` then installs with pip, which
comes with every Python. So a failure here never fails the run.

The machine's uv is used if there is one, else pip fetches the uv that our own lock names by hash. uv reads no
configuration but pip's, so index, proxy and certificates are the same for both. Every package is checked by hash.
"""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from importlib.util import find_spec
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TextIO


#: The oldest uv that has all the options used here.
OLDEST = (0, 5)
#: Seconds that the machine's uv may take to print its version; a shim may hang.
PATIENCE = 10
#: Seconds that any other program may take; a step of a composite action can't have a time limit.
LONGEST = 300

#: Options for both pip and uv: check every hash, resolve nothing, build nothing.
_AS_LOCKED = ("--no-deps", "--require-hashes", "--only-binary", ":all:", "--requirement")

#: A setting of pip → the environment variables in which uv looks for it.
_VARIABLES = {
    "index-url": ("UV_DEFAULT_INDEX",),
    "extra-index-url": ("UV_INDEX",),
    "retries": ("UV_HTTP_RETRIES",),
    "default-timeout": ("UV_HTTP_TIMEOUT",),
    "timeout": ("UV_HTTP_TIMEOUT",),
    "cert": ("SSL_CERT_FILE",),
    "client-cert": ("SSL_CLIENT_CERT",),
    "proxy": ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"),
}
#: The spellings that pip reads as "no".
_NO = {"", "0", "n", "no", "f", "false", "off"}


class GiveUp(Exception):
    """uv can't install the packages; the message says why."""


def main(argv: Sequence[str], env: Mapping[str, str], stdout: TextIO) -> int:
    """Install the packages. Returns the exit code: 1 if pip must install them instead."""
    interpreter, lock, uv_lock = argv
    try:
        # A cache inside the environment lets uv link packages instead of copying them, and is removed together with it.
        venv = Path(interpreter).parents[1]
        with tempfile.TemporaryDirectory(dir=venv) as name:
            folder = Path(name)
            uv = on_path(folder) or fetched(Path(uv_lock), folder)
            command = [uv, "--no-config", "--cache-dir", str(folder / "cache"), "pip", "install", "--quiet"]
            pips = settings(env)
            command += ["--python", interpreter, "--compile-bytecode", *options(pips)]
            run([*command, *_AS_LOCKED, lock], environment(env, pips))
            check(venv, Path(lock))
        # uv leaves this file behind, writable for every user.
        (venv / ".lock").unlink(missing_ok=True)
    except (GiveUp, OSError, RuntimeError, ValueError, configparser.Error, zipfile.BadZipFile) as why:
        # A URL may hold a password, and older versions of uv quote it.
        said = re.sub(r"(?<=://)[^/\s]+(?=@)", "(secret)", " ".join(str(why).split()))
        stdout.write(f"Installing with pip, which takes longer, because uv can't: {said[-500:]}\n")
        return 1
    return 0


def on_path(folder: Path) -> str | None:
    """Return the machine's uv; None if there is none that starts and is new enough."""
    found = shutil.which("uv")
    if not found:
        return None
    # Output goes to a file, because a process that a shim started may hold a pipe open for ever.
    with tempfile.TemporaryFile(dir=folder) as said:
        try:
            subprocess.run([found, "--version"], stdin=subprocess.DEVNULL, stdout=said, timeout=PATIENCE, check=True)
        except (OSError, subprocess.SubprocessError):
            return None
        said.seek(0)
        version = re.match(rb"uv (\d+)\.(\d+)\.", said.read(100))
    return found if version and tuple(map(int, version.groups())) >= OLDEST else None


def fetched(lock: Path, folder: Path) -> str:
    """Fetch the uv of our lock with pip, and return its path. Raises GiveUp."""
    command = [sys.executable, "-I", *pip(), "--quiet", "--disable-pip-version-check", "--no-input", "download"]
    run([*command, "--dest", str(folder), *_AS_LOCKED, str(lock)])
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if re.fullmatch(r"uv-[^/]+\.data/scripts/uv(\.exe)?", name))
        program = Path(archive.extract(name, folder))
    program.chmod(0o755)
    return str(program)


def pip() -> list[str]:
    """Return the arguments that start this Python's pip, or the bundled pip of ensurepip. Raises GiveUp."""
    if find_spec("pip"):
        return ["-m", "pip"]
    # Linux distributions keep the wheels of all Pythons in one folder.
    for folder in (sysconfig.get_config_var("WHEEL_PKG_DIR"), Path(sysconfig.get_path("stdlib"), "ensurepip/_bundled")):
        for wheel in Path(folder or "/nowhere").glob("pip-*.whl"):
            return [str(wheel / "pip")]
    raise GiveUp("this Python has no pip to fetch it with")


def settings(env: Mapping[str, str]) -> dict[str, str]:
    """Return pip's settings as pip reads them: from its files, overridden by its environment variables.

    Raises configparser.Error, and RuntimeError if there is no home folder.
    """
    files = configparser.RawConfigParser(strict=False)
    files.read(pips_files(env), "utf-8")
    pairs = [pair for section in ("global", "install") if section in files for pair in files[section].items()]
    pairs += [(name[4:], value) for name, value in env.items() if name.startswith("PIP_")]
    # A list is separated by line breaks in a file, by blanks in a variable.
    return {name.lower().replace("_", "-"): value.replace("\n", " ").strip() for name, value in pairs if value}


def pips_files(env: Mapping[str, str]) -> list[Path]:
    """Return the paths of pip's configuration files: those for all users, then this user's, which override them."""
    home = Path("~").expanduser()
    folders = [
        *(Path(folder, "pip") for folder in (env.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)),
        Path("/etc"),
        Path("/Library/Application Support/pip"),
        Path(env.get("PROGRAMDATA") or "/nowhere", "pip"),
        home / "pip",
        home / ".pip",
        Path(env.get("APPDATA") or "/nowhere", "pip"),
        Path(env.get("XDG_CONFIG_HOME") or home / ".config", "pip"),
        home / "Library/Application Support/pip",
    ]
    return [folder / name for folder in folders for name in ("pip.conf", "pip.ini")]


def options(pips: Mapping[str, str]) -> list[str]:
    """Return the options of uv for those settings of pip that uv has no variables for."""
    told = [] if pips.get("no-index", "").lower() in _NO else ["--no-index"]
    for host in pips.get("trusted-host", "").split():
        told += ["--allow-insecure-host", host]
    return told


def environment(env: Mapping[str, str], pips: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for uv. It holds the URLs, whose credentials must not be on a command line."""
    bundle = env.get("REQUESTS_CA_BUNDLE") or env.get("CURL_CA_BUNDLE")
    # pip ignores a folder that doesn't exist.
    links = [
        place for place in pips.get("find-links", "").split() if "://" in place or Path(place).expanduser().exists()
    ]
    return {
        **env,
        **({"SSL_CERT_FILE": bundle} if bundle else {}),
        **({"UV_FIND_LINKS": ",".join(links)} if links else {}),
        **{variable: value for name, value in pips.items() for variable in _VARIABLES.get(name, ())},
        # As pip does: take the best file that any of the indexes has.
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_SYSTEM_CERTS": "true",
    }


def run(command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
    """Run a program to its end. Raises GiveUp with the program's output."""
    # Output goes to a file, because a process that the program started may hold a pipe open for ever.
    with tempfile.TemporaryFile() as said:
        try:
            code = subprocess.run(
                command,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                timeout=LONGEST,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            raise GiveUp(f"{command[0]} did not end within {LONGEST} seconds") from None
        said.seek(0)
        if code:
            raise GiveUp(said.read().decode("utf-8", "replace").strip() or f"it ended with {code}")


def check(venv: Path, lock: Path) -> None:
    """Check that every package that the lock names for all platforms is installed. Raises GiveUp.

    uv's exit code alone is not trusted.
    """
    places = [*venv.glob("lib/*/site-packages"), *venv.glob("Lib/site-packages")]
    there = {_normal(path.name.partition("-")[0]) for place in places for path in place.glob("*.dist-info")}
    wanted = re.findall(r"(?m)^([\w.-]+)==[^ ]+ \\$", lock.read_text(encoding="utf-8"))
    if missing := [name for name in wanted if _normal(name) not in there]:
        raise GiveUp(f"it reported success, but {', '.join(missing)} can't be found")


def _normal(name: str) -> str:
    return re.sub(r"[._-]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ, sys.stdout))
