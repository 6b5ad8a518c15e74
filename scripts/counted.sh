#!/usr/bin/env bash
# Adds up the lines "NAME: 3 of 3 held" of several runs of the tests, read from standard input.
set -euo pipefail
sed -nE 's/^(.*): ([0-9]+) of ([0-9]+) held$/\1\t\2\t\3/p' |
  awk -F '\t' '{ held[$1] += $2; tried[$1] += $3 } END { for (n in tried) print n ": " held[n] " of " tried[n] " held" }' |
  sort
