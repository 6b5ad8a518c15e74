#!/usr/bin/env bash
# Installs the packages of an action into a private virtual environment, and outputs its Python: setup.sh VERB.
#
# The environment is in RUNNER_TEMP, keyed by lock, interpreter and the repository's path, and later steps of the job use
# it again. All packages come from the lock that REPLICATOR_LOCK names (`locks/action.txt`): each wheel is checked by its
# hash, nothing is resolved or built. uv installs them, or pip if uv fails.
#
# Written for Bash 3.2, which macOS has, and without here-documents, which need space in a temporary folder.
set -euo pipefail

# PATH may contain `.`, so leave the workspace. Files made here are writable by us only.
cd /
umask 022
action=${GITHUB_ACTION_PATH%/}
lock=$action/$REPLICATOR_LOCK
verb=${1:-replicate}

# No program started here needs the signing key.
unset SIGNING_KEY
# Nor the secrets of a webhook.
unset WEBHOOK_SECRET WEBHOOK_SECRET_PREVIOUS

# The workspace belongs to the caller, and nothing in it may steer Python, pip or uv. Index, proxy and certificate settings
# of the runner stay in force: the hashes make them safe. On Windows, names of variables ignore case.
shopt -s nocasematch
for name in $(compgen -e); do
  case $name in
    PIP_*INDEX* | PIP_FIND_LINKS | PIP_PROXY | PIP_*CERT | PIP_TRUSTED_HOST | PIP_CACHE_DIR | PIP_NO_CACHE_DIR) ;;
    PIP_RETRIES | PIP_*TIMEOUT | PYTHON_KEYRING_*) ;;
    PIP_* | PYTHON* | UV_*) unset "$name" ;;
  esac
done

candidates=(python3 python)
# If a Python is named, no other one is tried: using another would be a surprise.
[ -z "${INPUT_PYTHON:-}" ] || candidates=("$INPUT_PYTHON")

code=3
fail() {
  # Any Python can report it. One that did exits with 3.
  for name in "${candidates[@]}" python3 python; do
    "$name" -I -B -X utf8 "$action/replicator/bootstrap/decide.py" "$verb" --failed "$*" 2>/dev/null || [ "$?" != 3 ] || break
  done
  exit "$code"
}

# Without a runner, a new folder that no one else can have prepared.
temp=${RUNNER_TEMP:-$(mktemp -d 2>/dev/null)} || temp=""
if [ ! -d "$temp" ] || [ ! -w "$temp" ]; then
  fail "The action can't be set up: RUNNER_TEMP is '${RUNNER_TEMP:-}', where nothing can be written. The runner should set it to a writable folder of the job."
fi
case $temp$action in
  *$'\n'*) fail "The path of RUNNER_TEMP or of the action contains a line break, which Python's .pth files can't hold. Give the runner another folder." ;;
esac
cd "$temp"
export TMPDIR=$temp

# Prints the interpreter's version and the environment's key, or `old`, as the last line, because an interpreter may print
# a greeting first.
describe='
import hashlib, pathlib, platform, sys
lock, action = sys.argv[1:]
parts = [pathlib.Path(lock).read_bytes(), action.encode("utf-8", "surrogateescape"), sys.version.encode(), sys.executable.encode("utf-8", "surrogateescape")]
key = hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
print("\n" + platform.python_version(), "old" if sys.version_info < (3, 11) else key, end="")
'
python="" seen=""
for name in "${candidates[@]}"; do
  command -v -- "$name" >/dev/null || continue
  about=$("$name" -I -X utf8 -c "$describe" "$lock" "$action" 2>/dev/null) || about=""
  about=${about##*$'\n'} about=${about%$'\r'} key=${about##* }
  case $about in
    3.*\ old) seen="$seen$name is ${about% *}; " ;;
    3.*\ ????????????????) python=$name && break ;;
    *) seen="$seen$name does not start; " ;;
  esac
done
if [ -z "$python" ]; then
  [ -n "$seen" ] ||
    fail "The input python names '${INPUT_PYTHON:-}', which is not on this machine. Name one that is, or leave the input empty for the machine's python3."
  fail "Python 3.11 or newer is needed: ${seen%; }. Put actions/setup-python before this step, or name a newer one with the input python."
fi
venv=$temp/replicator-$key

interpreter() {
  for path in "$venv/bin/python" "$venv/Scripts/python.exe"; do
    if [ -x "$path" ]; then printf '%s' "$path"; return; fi
  done
}

child=""
stop() {
  code=$1
  [ -z "$child" ] || kill -- "-$child" 2>/dev/null || true
  rm -rf "$venv"
  fail "The set-up was interrupted; nothing was replicated. Run this again."
}
trap 'stop 130' INT
trap 'stop 143' TERM

# Runs a command in the background, because bash handles signals only between commands, and the runner gives us ten
# seconds; and in its own process group (-m), because venv starts another Python, which must not outlive us.
run() {
  set -m
  "$@" </dev/null &
  child=$!
  set +m
  wait "$child"
}

# Fails, and says so if the cause is the disk: unpacking the environment takes 200 MB.
give_up() {
  rm -rf "$venv"
  "$python" -I -c 'import shutil, sys; sys.exit(shutil.disk_usage(sys.argv[1]).free < 200e6)' "$temp" ||
    fail "There is not enough space to set up the action: it takes 200 MB in RUNNER_TEMP, '$temp'."
  fail "$*"
}

# Prints output of other programs, which must not start a workflow command.
show() {
  local said=$1 mark='##['
  said=${said//::/: :}
  said=${said//"$mark"/# #[}
  [ -z "$said" ] || printf '%s\n' "$said"
}

# Makes the empty environment: make_venv OPTION…
make_venv() {
  run "$python" -I -m venv "$@" "$venv" ||
    give_up "This Python can't make a virtual environment (see its message above). On Debian and Ubuntu install python3-venv, or put actions/setup-python before this step."
}

# If uv fails for any reason, pip is tried.
by_uv() {
  make_venv --without-pip
  local broken="" said
  run "$python" -I -B -X utf8 "$action/replicator/bootstrap/install.py" "$(interpreter)" "$lock" "$action/locks/uv.txt" >"$venv/log" 2>&1 || broken=1
  said=$(<"$venv/log") ||
    fail "'$venv' was removed by someone else while it was made; two steps of one job can't set up the action at once. Run this again."
  show "$said"
  [ -z "$broken" ]
}

by_pip() {
  make_venv --clear
  local broken="" said
  run "$(interpreter)" -I -X utf8 -m pip --quiet --disable-pip-version-check --no-input install \
    --no-user --no-deps --require-hashes --only-binary :all: -r "$lock" >"$venv/log" 2>&1 || broken=1
  said=$(<"$venv/log") || said=""
  show "$said"
  [ -n "$broken" ] || return 0
  case $said in
    *"DO NOT MATCH THE HASHES"*)
      give_up "The package index offers a file whose hash differs from the one in the action's lock (see pip's message above). Nothing was installed. Ask those who run the index, which PIP_INDEX_URL names, how that file got there."
      ;;
  esac
  give_up "The packages that the action needs could not be installed (see pip's message above). Check that the runner reaches a Python package index, and that the index has the versions in the action's lock as wheels; PIP_INDEX_URL names a mirror."
}

# It must be owned by us (-O): on a shared machine someone else could have put one there.
if [ ! -O "$venv/complete" ]; then
  echo "Setting up with Python ${about% *}, once per job"
  rm -rf "$venv" || fail "'$venv' exists already and can't be removed, so the action can't make its own. Empty RUNNER_TEMP before each job."
  by_uv || by_pip
  # A path entry instead of a build, which would fetch a backend that no lock pins. It is a statement in ASCII, because
  # Python reads .pth files in the locale's encoding.
  {
    "$(interpreter)" -I -X utf8 -c 'import pathlib, sys, sysconfig
line = "import sys; sys.path.append(" + ascii(sys.argv[1]) + ")\n"
pathlib.Path(sysconfig.get_path("purelib"), "replicator.pth").write_text(line, encoding="ascii")' "$action" &&
      : >"$venv/complete"
  } || give_up "The action's environment could not be completed in '$temp'."
fi

printf 'python=%s\n' "$(interpreter)" >>"${GITHUB_OUTPUT:-/dev/null}"
