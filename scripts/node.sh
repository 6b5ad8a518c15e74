#!/usr/bin/env bash
# Installs what tests run with Node: node.sh [NAME…]. `sigstore` is the Sigstore project's own stand-in for Sigstore,
# `judges` are libraries of others that judge webhooks and releases, `gitlab-ci-local` runs GitLab pipelines here.
#
# scripts/node/NAME/lock.json pins the version and hash of every package; npm's settings name the registry. The packages
# are kept in a cache folder under a name that changes with the lock, and linked from build/engines/NAME. Without Node or a
# registry they are skipped with a line that says so; a wrong hash is a failure.
set -uo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/.." || exit 1

cache=${XDG_CACHE_HOME:-$HOME/.cache}/gce-image-replicator/engines
mkdir -p "$cache" build/engines || exit 1

install() {
  local name=$1 pins=scripts/node/$1 place work said tool
  place=$cache/$name-$(cat "$pins/package.json" "$pins/lock.json" | cksum | cut -d ' ' -f 1)
  if [ ! -d "$place" ]; then
    rm -f -- "build/engines/$name"
    for tool in node npm; do
      if ! command -v "$tool" >/dev/null; then
        echo "skipped: $name: Node runs it, and there is no $tool on PATH"
        return 0
      fi
    done
    work=$(mktemp -d "$cache/building.XXXXXX") || return 1
    cp "$pins/package.json" "$work/package.json"
    cp "$pins/lock.json" "$work/package-lock.json"
    if ! said=$(cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null 2>&1); then
      rm -rf -- "$work"
      case $said in
        *EINTEGRITY* | *EUSAGE*)
          printf 'FAILED   %s\n%s\n' "$name" "$said"
          return 1
          ;;
      esac
      echo "skipped: $name: its packages could not be fetched: $(head -n 1 <<<"$said")"
      return 0
    fi
    mv -f -- "$work" "$place"
  fi
  ln -sfn -- "$place" "build/engines/$name"
  echo "ready    $name"
}

[ "$#" -gt 0 ] || set -- sigstore judges gitlab-ci-local
status=0
for name in "$@"; do
  install "$name" || status=1
done
exit "$status"
