#!/usr/bin/env bash
# Starts one step of an action, for every action.yml: `. launch.sh decide|setup|run VERB`.
#
# The workspace belongs to the caller, and nothing in it may run in our place. So
# - an action.yml has its steps run by `bash -p`, which takes neither BASH_ENV nor functions nor options from the
#   environment, and reads this file by its full path,
# - the workspace is left before any program is looked for (PATH may hold `.`, and pyenv reads `.python-version`),
# - Python starts isolated (`-I`) and writes no bytecode beside our modules (`-B`).
cd /
step=$1 verb=$2

# The repository's own folder, also for an action in a folder of it; on Windows its path has backslashes. All actions set
# up under this one path, so that those of one job share one environment.
root=${GITHUB_ACTION_PATH%[/\\]}
[ -f "$root/launch.sh" ] || root=${root%[/\\]*}
export GITHUB_ACTION_PATH=$root

# Any Python will do to decide, and to say what is wrong.
find_python() {
  for python in "${INPUT_PYTHON:-}" python3 python; do
    # Not by its name alone: a shim may have no Python behind it.
    case $("$python" -I -c "print('it starts')" 2>/dev/null) in
      *'it starts'*) return ;;
    esac
  done
  printf 'decision=skip\nresult=failed\nreason=No python3 was found\n' >>"$GITHUB_OUTPUT"
  echo "::error title=Python::No python3 was found that starts. Install it before this step, for example with actions/setup-python, or name it with the input python."
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
    # The one variable of Python's own that -I lets through.
    unset PYTHONEXECUTABLE
    exec "$REPLICATOR_PYTHON" -I -B -X utf8 -u -m replicator action "$verb"
    ;;
esac
