#!/usr/bin/env bash
# Builds the real runners for tests/clients/runners/, and by name the other programs that tests use: engines.sh [NAME…].
#
# Each is a Go program pinned by scripts/go/NAME/go.mod, with every module's hash in go.sum beside it; a main.go there is
# the program itself, which calls the modules. The programs are kept in a cache folder under a name that changes with
# the lock, and linked from build/engines/, where they are looked for. A program that can't be built here (no Go, an old
# Go, no module proxy) is skipped with a line that says so; a wrong hash is a failure.
set -uo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/.." || exit 1

cache=${XDG_CACHE_HOME:-$HOME/.cache}/gce-image-replicator/engines
links=build/engines
mkdir -p "$cache" "$links" || exit 1

# Go's caches take a gigabyte and are not needed afterwards.
work=$(mktemp -d "$cache/building.XXXXXX") || exit 1
trap 'rm -rf -- "$work"' EXIT

status=0

package_of() {
  case $1 in
    act | gitea-act) echo github.com/nektos/act ;;
    actionlint) echo github.com/rhysd/actionlint/cmd/actionlint ;;
    cosign) echo github.com/sigstore/cosign/v3/cmd/cosign ;;
    crane) echo github.com/google/go-containerregistry/cmd/crane ;;
    distribution) echo github.com/distribution/distribution/v3/cmd/registry ;;
    pull) echo . ;;
    # Terraform's provider `external`, in the newest version that module proxies have.
    terraform-external) echo github.com/terraform-providers/terraform-provider-external ;;
  esac
}

# in_module NAME ARGUMENT…: runs go without this machine's settings, except where modules come from.
in_module() {
  local module=$PWD/scripts/go/$1
  shift
  env -u GOMODCACHE GOPATH="$work/path" GOCACHE="$work/cache" GOWORK=off GOTOOLCHAIN=local CGO_ENABLED=0 \
    GOFLAGS="-mod=readonly -modcacherw -trimpath -buildvcs=false" nice go -C "$module" "$@" </dev/null
}

skip() { echo "skipped: $1: $2"; }

fail() {
  echo "FAILED   $1"
  printf '%s\n' "$2"
  status=1
}

build() {
  local name=$1 key program said package
  package=$(package_of "$name")
  key=$(cat "scripts/go/$name"/* | cksum | cut -d ' ' -f 1)-$(uname -s)-$(uname -m)
  program=$cache/$name-$key
  if [ ! -x "$program" ]; then
    rm -f -- "$links/$name"
    if ! command -v go >/dev/null; then
      skip "$name" "Go builds it, and there is no go on PATH"
      return
    fi
    # Listing fetches the modules without compiling, so a failure here is due to the machine's Go, its network, or a hash.
    if ! said=$(in_module "$name" list -deps "$package" 2>&1 >/dev/null); then
      case $said in
        *"SECURITY ERROR"* | *"checksum mismatch"* | *"missing go.sum entry"*) fail "$name" "$said" ;;
        *"requires go >="*) skip "$name" "$(tail -n 1 <<<"$said")" ;;
        *) skip "$name" "its modules could not be fetched: $(tail -n 1 <<<"$said")" ;;
      esac
      return
    fi
    if ! said=$(in_module "$name" build -o "$work/$name" "$package" 2>&1); then
      fail "$name" "$said"
      return
    fi
    mv -f -- "$work/$name" "$program"
  fi
  ln -sfn -- "$program" "$links/$name"
  echo "ready    $name"
}

[ "$#" -gt 0 ] || set -- actionlint act gitea-act
for name in "$@"; do build "$name"; done
exit "$status"
