#!/usr/bin/env bash
# Makes a virtual environment from a hashed lock: venv.sh PYTHON FOLDER LOCK
set -euo pipefail

python=$1 folder=$2 lock=$3
fail() {
  printf 'setup: %s\n' "$@" >&2
  exit 1
}

command -v "$python" >/dev/null || fail "'$python' was not found. Install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3.12 …"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  fail "$("$python" --version) is too old; Python 3.11 or newer is needed: make PYTHON=/path/to/python3.12 …"

printf 'Setting up %s with %s and %s, once per lock\n' "$folder" "$("$python" --version)" "$lock"
rm -rf "$folder"
"$python" -m venv "$folder" ||
  fail "this Python cannot make a virtual environment. On Debian and Ubuntu: apt-get install python3-venv"
"$folder/bin/python" -I scripts/install_lock.py "$lock"
# A path entry and two scripts instead of a build, which would fetch a backend that no lock pins.
"$folder/bin/python" -I - <<'END'
import pathlib, shlex, sys, sysconfig

pathlib.Path(sysconfig.get_path("purelib"), "checkout.pth").write_text(f"{pathlib.Path.cwd()}\n", encoding="utf-8")
for name in ("gce-image-replicator", "replicator"):
    script = pathlib.Path(sys.executable).with_name(name)
    # Not in the first line, which is cut where a path is long or has blanks.
    start = f"exec {shlex.quote(sys.executable)} -I -m replicator \"$@\""
    script.write_text(f"#!/bin/sh\n{start}\n", encoding="utf-8")
    script.chmod(0o755)
END
