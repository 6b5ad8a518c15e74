#!/usr/bin/env bash
# Installs PyGithub, which reads in the tests what was released, into build/engines/pygithub, by locks/judges.txt.
# Without a package index it is skipped with a line that says so.
set -uo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/.." || exit 1

cache=${XDG_CACHE_HOME:-$HOME/.cache}/gce-image-replicator/engines
place=$cache/pygithub-$(cksum <locks/judges.txt | cut -d ' ' -f 1)
mkdir -p "$cache" build/engines || exit 1

if [ ! -d "$place" ]; then
  work=$(mktemp -d "$cache/building.XXXXXX") || exit 1
  trap 'rm -rf -- "$work"' EXIT
  if ! said=$("${1:-.venv}/bin/uv" pip install --quiet --python "${1:-.venv}/bin/python" --target "$work" \
    --require-hashes --only-binary :all: -r locks/judges.txt 2>&1); then
    rm -f -- build/engines/pygithub
    echo "skipped: pygithub: its packages could not be fetched: $(head -n 1 <<<"$said")"
    exit 0
  fi
  mv -f -- "$work" "$place"
fi
ln -sfn -- "$place" build/engines/pygithub
echo "ready    pygithub"
