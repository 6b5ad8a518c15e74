#!/usr/bin/env bash
# Makes the private virtual environment that an action runs in, and outputs its Python: setup.sh VERB.
#
# It lies under RUNNER_TEMP, is keyed by lock, interpreter and the repository's path, and is used again by later steps of
# the job. Everything comes from the lock that REPLICATOR_LOCK names (`locks/action.txt`): each wheel is checked by hash,
# nothing is resolved or built. uv does it, else pip.
#
# Bash 3.2, which macOS has, and no here-documents: they need room in a temporary folder.
set -euo pipefail

# Away from the workspace, which PATH may name by `.`; and whatever is made here, only we may change.
cd /
umask 022
action=${GITHUB_ACTION_PATH%/}
lock=$action/$REPLICATOR_LOCK
verb=${1:-replicate}

# No program that is started here needs the key that signs.
unset SIGNING_KEY

# The workspace belongs to the caller: nothing in it may steer Python, pip or uv. Index, proxy and certificate settings of
# the runner stay in force, which the hashes make safe. Upper or lower case is one name on Windows.
shopt -s nocasematch
for name in $(compgen -e); do
  case $name in
    PIP_*INDEX* | PIP_FIND_LINKS | PIP_PROXY | PIP_*CERT | PIP_TRUSTED_HOST | PIP_CACHE_DIR | PIP_NO_CACHE_DIR) ;;
    PIP_RETRIES | PIP_*TIMEOUT | PYTHON_KEYRING_*) ;;
    PIP_* | PYTHON* | UV_*) unset "$name" ;;
  esac
done

candidates=(python3 python)
# A Python that is named is the only candidate: another one than was asked for would be a surprise.
[ -z "${INPUT_PYTHON:-}" ] || candidates=("$INPUT_PYTHON")

code=3
fail() {
  # Any Python can say it. The one that did exits with 3.
  for name in "${candidates[@]}" python3 python; do
    "$name" -I -B -X utf8 "$action/replicator/bootstrap/decide.py" "$verb" --failed "$*" 2>/dev/null || [ "$?" != 3 ] || break
  done
  exit "$code"
}

# Without a runner a folder that nobody else can have prepared.
temp=${RUNNER_TEMP:-$(mktemp -d 2>/dev/null)} || temp=""
if [ ! -d "$temp" ] || [ ! -w "$temp" ]; then
  fail "There is no folder to set the action up in: RUNNER_TEMP is '${RUNNER_TEMP:-}', and nothing can be written there. The runner should set it to a folder of the job's own."
fi
case $temp$action in
  *$'\n'*) fail "The path of RUNNER_TEMP or of the action holds a line break, which Python's own files can't hold. Give the runner another folder." ;;
esac
cd "$temp"
export TMPDIR=$temp

# In the last line it prints, because an interpreter may greet people first: its version, and what the environment is
# keyed by, or `old`.
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
    fail "The input python names '${INPUT_PYTHON:-}', which is not on this machine. Name one that is, or leave it empty for the machine's python3."
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

# In the background, because bash answers a signal only between commands, and the runner gives us ten seconds; in a
# process group of its own (-m), because venv starts another Python, which must not outlive us.
run() {
  set -m
  "$@" </dev/null &
  child=$!
  set +m
  wait "$child"
}

# The environment, while it is unpacked, takes 200 MB.
give_up() {
  rm -rf "$venv"
  "$python" -I -c 'import shutil, sys; sys.exit(shutil.disk_usage(sys.argv[1]).free < 200e6)' "$temp" ||
    fail "There is not enough room to set the action up: it takes 200 MB in RUNNER_TEMP, '$temp'."
  fail "$*"
}

# What others wrote must start no workflow command.
show() {
  local said=$1 mark='##['
  said=${said//::/: :}
  said=${said//"$mark"/# #[}
  [ -z "$said" ] || printf '%s\n' "$said"
}

# The environment itself: make_venv OPTION…
make_venv() {
  run "$python" -I -m venv "$@" "$venv" ||
    give_up "This Python can't make a virtual environment (its message stands above). On Debian and Ubuntu install python3-venv, or put actions/setup-python before this step."
}

# Whatever it can't do, it leaves to pip.
by_uv() {
  make_venv --without-pip
  local broken="" said
  run "$python" -I -B -X utf8 "$action/replicator/bootstrap/install.py" "$(interpreter)" "$lock" "$action/locks/uv.txt" >"$venv/log" 2>&1 || broken=1
  said=$(<"$venv/log") ||
    fail "Somebody else removed '$venv' while it was made; two steps of one job can't set the action up at once. Run this again."
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
      give_up "The package index offers a file that is not the one which the action's lock names by its hash (pip's message stands above). Nothing was installed. Ask whoever runs the index, which PIP_INDEX_URL names, how that file got there."
      ;;
  esac
  give_up "The packages that the action needs could not be installed (pip's message stands above). Check that the runner reaches a Python package index, and that it has the versions of the action's lock as wheels; PIP_INDEX_URL names a mirror."
}

# Ours alone: on a machine that several share, somebody else could have put one there.
if [ ! -O "$venv/complete" ]; then
  echo "Setting up with Python ${about% *}, once per job"
  rm -rf "$venv" || fail "'$venv' is in the way and can't be removed; the action makes its own. Empty RUNNER_TEMP before each job."
  by_uv || by_pip
  # A path entry instead of a build: a build would fetch a backend that no lock pins. In ASCII, as a statement, because
  # Python reads these files in the locale's encoding.
  {
    "$(interpreter)" -I -X utf8 -c 'import pathlib, sys, sysconfig
line = "import sys; sys.path.append(" + ascii(sys.argv[1]) + ")\n"
pathlib.Path(sysconfig.get_path("purelib"), "replicator.pth").write_text(line, encoding="ascii")' "$action" &&
      : >"$venv/complete"
  } || give_up "The environment of the action could not be completed in '$temp'."
fi

printf 'python=%s\n' "$(interpreter)" >>"${GITHUB_OUTPUT:-/dev/null}"
