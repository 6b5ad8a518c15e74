#!/usr/bin/env bash
# Starts one step of an action, for every action.yml: `. launch.sh decide|setup|run VERB`.
#
# The workspace belongs to the caller, and nothing in it may run instead of our code. So
# - an action.yml has its steps run by `bash -p`, which takes neither BASH_ENV nor functions nor options from the
#   environment, and reads this file by its full path,
# - the workspace is left before any program is looked for (PATH may hold `.`, and pyenv reads `.python-version`),
# - Python starts isolated (`-I`) and writes no bytecode beside our modules (`-B`).
cd /
step=$1 verb=$2

# The root of the repository, even if the action is in a subfolder; on Windows its path has backslashes. All actions of a
# job set up under this path, so that they share one environment.
root=${GITHUB_ACTION_PATH%[/\\]}
[ -f "$root/launch.sh" ] || root=${root%[/\\]*}
export GITHUB_ACTION_PATH=$root

# Any Python can decide, and report what is wrong.
find_python() {
  for python in "${INPUT_PYTHON:-}" python3 python; do
    # Being on PATH is not enough: a shim may have no Python behind it.
    case $("$python" -I -c "print('it starts')" 2>/dev/null) in
      *'it starts'*) return ;;
    esac
  done
  printf 'decision=skip\nresult=failed\nreason=No python3 was found\n' >>"$GITHUB_OUTPUT"
  echo "::error title=Python::No python3 that starts was found. Install one before this step, for example with actions/setup-python, or set the input python."
  exit 3
}

case $step in
  decide)
    find_python
    exec "$python" -I -B -X utf8 "$root/replicator/bootstrap/decide.py" "$verb"
    ;;
  setup)
    find_python
    exec bash -p "$root/setup.sh" "$verb"
    ;;
  run)
    # The only variable of Python's that -I doesn't ignore.
    unset PYTHONEXECUTABLE
    exec "$REPLICATOR_PYTHON" -I -B -X utf8 -u -m replicator action "$verb"
    ;;
esac
