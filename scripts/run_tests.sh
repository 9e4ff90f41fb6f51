#!/usr/bin/env bash
# All checks and tests: bash scripts/run_tests.sh [--fast] [pytest arguments]; --fast leaves out the tests marked slow.
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"
source "${repo_root}/scripts/lib/browser.sh"
cd "$repo_root"

pytest_args=()
for argument in "$@"; do
  if [[ "$argument" == --fast ]]; then
    pytest_args+=(-m 'not slow')
  else
    pytest_args+=("$argument")
  fi
done

./install.sh --dev
activate_environment
install_browser

# -maxdepth: the data sets under data/ are no place to look for scripts.
mapfile -t shell_files < <(find data scripts tests/scripts -maxdepth 2 -name '*.sh' -o -name '*.bash' -o -name '*.bats')
shell_files+=(install.sh .ci/run)

status=0
summary=""
# check NAME COMMAND...: run it, note how it went, go on.
check() {
  local name="$1" result=passed
  shift
  printf '\n== %s\n' "$name"
  "$@" || result=FAILED status=1
  summary+="${result}  ${name}, $((SECONDS - begun)) s"$'\n'
  begun="$SECONDS"
}

begun="$SECONDS"
# mypy takes one core for as long as all that is checked beside it.
mypy_log="$(mktemp)"
trap 'rm -f "$mypy_log"' EXIT
mypy >"$mypy_log" 2>&1 &
mypy_process="$!"
# Wait for mypy, and say what it said.
# shellcheck disable=SC2329
await_mypy() {
  local result=0
  wait "$mypy_process" || result="$?"
  cat "$mypy_log"
  return "$result"
}

check 'ruff check' ruff check .
check 'ruff format' ruff format --check .
check shellcheck shellcheck "${shell_files[@]}"
check shfmt shfmt -i 2 -ci -d "${shell_files[@]}"
check bats bats tests/scripts
check mypy await_mypy
# One process for each core, each with one thread; a file's tests stay together and in order. See tests/README.md.
check pytest env OMP_NUM_THREADS=1 pytest -n auto --dist loadfile "${pytest_args[@]}"

printf '\n== summary\n%s' "$summary"
exit "$status"
