#!/usr/bin/env bash
# Runs all checks that need no network, then says which failed and which were skipped: lint.sh VENV.
set -uo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/.." || exit 1

venv=${1:-.venv}
[ -x "$venv/bin/python" ] || { echo "lint: there is no $venv/bin/python; run make setup" >&2; exit 1; }

failed=() skipped=()

# check NAME PROGRAM ARGUMENT…: runs a program of the virtual environment, else one that scripts/engines.sh built, else one
# on PATH; skips the check if there is none.
check() {
  local name=$1 program=$2 found
  shift 2
  if [ -x "$venv/bin/$program" ]; then
    found=$venv/bin/$program
  elif [ -x "build/engines/$program" ]; then
    found=build/engines/$program
  elif ! found=$(command -v -- "$program"); then
    echo "skipped  $name"
    skipped+=("$name: '$program' is not in $venv, build/engines or PATH")
    return
  fi
  local said code=0
  said=$("$found" "$@" 2>&1 </dev/null) || code=$?
  if [ "$code" = 0 ]; then
    echo "ok       $name"
  else
    echo "FAILED   $name (exit code $code)"
    printf '%s\n' "$said"
    failed+=("$name")
  fi
}

code=()
for folder in replicator emulator testkit tests scripts benchmarks; do
  [ -d "$folder" ] && code+=("$folder")
done
workflows=()
for file in workflows-examples/*.yml .github/workflows/*.yml; do
  [ -e "$file" ] && workflows+=("$file")
done
forms=()
for file in .github/ISSUE_TEMPLATE/*.yml; do
  [ "${file##*/}" = config.yml ] || forms+=("$file")
done
shells=()
for file in *.sh scripts/*.sh .ci/run testkit/ci/stand_ins/* tests/clients/webhooks/senders/*.sh; do
  [ -e "$file" ] && shells+=("$file")
done

check "ruff" ruff check --quiet .
check "ruff format" ruff format --check --quiet .
check "mypy --strict" mypy --no-error-summary "${code[@]}"
actions=(action.yml */action.yml)
check "zizmor" zizmor --offline --quiet --persona auditor "${actions[@]}" .github "${workflows[@]}"
check "schema of action.yml" check-jsonschema --builtin-schema vendor.github-actions "${actions[@]}"
check "schema of workflows" check-jsonschema --builtin-schema vendor.github-workflows "${workflows[@]}"
check "schema of dependabot.yml" check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
check "schema of issue forms" check-jsonschema --builtin-schema vendor.github-issue-forms "${forms[@]}"
check "schema of the issue forms' config" check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
check "schema of cloudbuild.yaml" check-jsonschema --builtin-schema vendor.cloudbuild ci-examples/cloudbuild.yaml
check "schema of .gitlab-ci.yml" check-jsonschema --builtin-schema vendor.gitlab-ci ci-examples/gitlab/.gitlab-ci.yml
check "timeouts of workflows" check-jsonschema --builtin-schema custom.github-workflows-require-timeout "${workflows[@]}"
check "shellcheck" shellcheck "${shells[@]}"
# Gitea and Forgejo take the whole address of an action, which actionlint doesn't know.
whole_address='specifying action "https://'
# actionlint passes the `run:` parts of workflows to the shellcheck on PATH.
PATH=$venv/bin:$PATH check "actionlint" actionlint -ignore "$whole_address" "${workflows[@]}"
check "terraform fmt" terraform fmt -check -recursive -diff terraform
check "generated pages" python -I scripts/docs.py --check

for reason in ${skipped[@]+"${skipped[@]}"}; do
  case $reason in
    actionlint:*) reason+=" (with Go: bash scripts/engines.sh actionlint)" ;;
  esac
  echo "skipped: $reason"
done
if [ "${#failed[@]}" -gt 0 ]; then
  printf 'failed: %s\n' "${failed[@]}"
  exit 1
fi
