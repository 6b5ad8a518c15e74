#!/usr/bin/env bash
# Every test there is. The engines come first: with them, fewer tests are skipped. A failure doesn't keep the rest from running.
set -uo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/.." || exit 1

log=$(mktemp) || exit 1
trap 'rm -f -- "$log"' EXIT

status=0
for target in engines test test-rest; do
  "${MAKE:-make}" --no-print-directory "$target" 2>&1 | tee -a "$log" || status=1
done
echo "in all:"
bash scripts/counted.sh <"$log"
exit "$status"
