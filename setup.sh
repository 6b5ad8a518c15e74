#!/usr/bin/env bash
# Makes the private virtual environment that the action replicates with, and outputs its Python.
#
# It lies under RUNNER_TEMP, is keyed by lock, interpreter and the action's own path, and is used again by later steps of the job. Everything
# comes from requirements.txt: each wheel is checked by hash, nothing is resolved or built.
set -euo pipefail

action=${GITHUB_ACTION_PATH%/}
lock=$action/requirements.txt
# Without a runner a folder that nobody else can have prepared.
temp=${RUNNER_TEMP:-$(mktemp -d)}

# The workspace belongs to the caller: nothing in it may steer Python or pip. Index, proxy and certificate settings of
# the runner stay in force, which the hashes make safe.
unset PYTHONPATH PYTHONHOME PYTHONSTARTUP
for name in "${!PIP_@}"; do
  case $name in
    PIP_*INDEX* | PIP_FIND_LINKS | PIP_PROXY | PIP_*CERT | PIP_TRUSTED_HOST | PIP_CACHE_DIR | PIP_NO_CACHE_DIR) ;;
    PIP_RETRIES | PIP_*TIMEOUT) ;;
    *) unset "$name" ;;
  esac
done
cd "$temp"

first_of() {
  for name in "$@"; do
    if [ -n "$name" ] && command -v -- "$name" >/dev/null; then
      printf '%s' "$name"
      return
    fi
  done
}

code=3
fail() {
  "$(first_of python3 python "${INPUT_PYTHON:-}")" -I -X utf8 "$action/replicator/decide.py" --failed "$*" || true
  exit "$code"
}

# A Python that is named is the only candidate: another one than was asked for would be a surprise.
python=$(first_of "${INPUT_PYTHON:-python3}" "${INPUT_PYTHON:-python}")
if [ -z "$python" ]; then
  fail "The input python names '$INPUT_PYTHON', which is not on this machine. Name one that is, or leave it empty for the machine's python3."
fi
if ! "$python" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  version=$("$python" -I -c 'import platform; print(platform.python_version())' 2>/dev/null || echo "no Python that starts")
  fail "Python 3.11 or newer is needed; $python is $version. Put actions/setup-python before this step, or name a newer one with the input python."
fi

key=$("$python" -I - "$lock" "$action" <<'PY'
import hashlib, pathlib, sys

lock, action = sys.argv[1:]
parts = [pathlib.Path(lock).read_bytes(), action.encode(), sys.version.encode(), sys.executable.encode()]
print(hashlib.sha256(b"\0".join(parts)).hexdigest()[:16])
PY
)
venv=$temp/replicator-$key

interpreter() {
  for path in "$venv/bin/python" "$venv/Scripts/python.exe"; do
    if [ -x "$path" ]; then printf '%s' "$path"; return; fi
  done
}

child=""
stop() {
  code=$1
  [ -z "$child" ] || kill "$child" 2>/dev/null || true
  rm -rf "$venv"
  fail "The set-up was interrupted; nothing was replicated. Run this again."
}
trap 'stop 130' INT
trap 'stop 143' TERM

# In the background, because bash answers a signal only between commands, and the runner gives us ten seconds.
run() {
  "$@" &
  child=$!
  wait "$child"
}

if [ ! -e "$venv/complete" ]; then
  echo "Setting up with $("$python" --version), once per job"
  rm -rf "$venv"
  run "$python" -I -m venv "$venv" || {
    rm -rf "$venv"
    fail "This Python can't make a virtual environment. On Debian and Ubuntu install python3-venv, or put actions/setup-python before this step."
  }
  run "$(interpreter)" -I -m pip --quiet --disable-pip-version-check --no-input install \
    --no-deps --require-hashes --only-binary :all: -r "$lock" || {
    rm -rf "$venv"
    fail "The packages that the action needs could not be installed (pip's message stands above). Check that the runner reaches a Python package index; PIP_INDEX_URL names a mirror."
  }
  # A path entry instead of a build: a build would fetch a backend that no lock pins.
  "$(interpreter)" -I - "$action" <<'PY'
import pathlib, sys, sysconfig

pathlib.Path(sysconfig.get_path("purelib"), "replicator.pth").write_text(sys.argv[1] + "\n", encoding="utf-8")
PY
  touch "$venv/complete"
fi

printf 'python=%s\n' "$(interpreter)" >>"${GITHUB_OUTPUT:-/dev/null}"
