#!/usr/bin/env bash
# Installs the stand-in for Sigstore that the tests sign with: the Sigstore project's own @sigstore/mock.
#
# scripts/node/sigstore/lock.json pins the version and hash of every package; npm's settings name the registry. The
# packages are kept in a cache folder under a name that changes with the lock, and linked from build/engines/sigstore.
# Without Node or a registry it is skipped with a line that says so; a wrong hash is a failure.
set -uo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/.." || exit 1

pins=scripts/node/sigstore
cache=${XDG_CACHE_HOME:-$HOME/.cache}/gce-image-replicator/engines
place=$cache/sigstore-$(cat "$pins/package.json" "$pins/lock.json" | cksum | cut -d ' ' -f 1)
mkdir -p "$cache" build/engines || exit 1

if [ ! -d "$place" ]; then
  rm -f -- build/engines/sigstore
  for tool in node npm; do
    if ! command -v "$tool" >/dev/null; then
      echo "skipped: sigstore: Node runs it, and there is no $tool on PATH"
      exit 0
    fi
  done
  work=$(mktemp -d "$cache/building.XXXXXX") || exit 1
  trap 'rm -rf -- "$work"' EXIT
  cp "$pins/package.json" "$work/package.json"
  cp "$pins/lock.json" "$work/package-lock.json"
  if ! said=$(cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null 2>&1); then
    case $said in
      *EINTEGRITY* | *EUSAGE*)
        printf 'FAILED   sigstore\n%s\n' "$said"
        exit 1
        ;;
    esac
    echo "skipped: sigstore: its packages could not be fetched: $(head -n 1 <<<"$said")"
    exit 0
  fi
  mv -f -- "$work" "$place"
fi
ln -sfn -- "$place" build/engines/sigstore
echo "ready    sigstore"
