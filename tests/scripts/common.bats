#!/usr/bin/env bats
# scripts/lib/common.sh: strict mode, the environment, logging.

bats_require_minimum_version 1.5.0

setup() {
  source "${BATS_TEST_DIRNAME}/helpers.bash"
  make_repository
}

# in_recipe COMMANDS: run them in a script that begins as the recipes do.
in_recipe() {
  printf 'source "%s/scripts/lib/common.sh"\n%s\n' "$repository" "$1" >recipe.sh
  bash recipe.sh
}

@test "an unset variable and a failing command stop a recipe" {
  # shellcheck disable=SC2016
  run in_recipe 'echo "${not_set}"; echo reached'
  [ "$status" -ne 0 ]
  [[ "$output" != *reached* ]]
  run in_recipe 'false; echo reached'
  [ "$status" -eq 1 ]
  [ -z "$output" ]
}

@test "the active environment is used if it has ama" {
  stub "${stubs}/python" <<<'[[ "$*" == *"import ama"* ]] || echo active'
  stub "${repository}/.venv/bin/python" <<<'echo venv'
  run in_recipe 'activate_environment; python'
  [ "$output" = active ]
}

@test ".venv is used if the active environment has no ama" {
  stub "${stubs}/python" <<<'exit 1'
  stub "${repository}/.venv/bin/python" <<<'[[ "$*" == *"import ama"* ]] || echo venv'
  run in_recipe 'activate_environment; python'
  [ "$output" = venv ]
}

@test "without ama anywhere: one line that names install.sh, status 2" {
  stub "${stubs}/python" <<<'echo "a traceback" >&2; exit 1'
  run in_recipe activate_environment
  [ "$status" -eq 2 ]
  [ "$output" = "error: ama is not installed: run ${repository}/install.sh" ]
}

@test "run_logged keeps the exit status, and both streams on the terminal and in files" {
  stub command_with_spaces <<<'echo "to stdout"; echo "to stderr" >&2; exit 7'
  run --separate-stderr in_recipe 'run_logged "a log/run" ./command_with_spaces'
  [ "$status" -eq 7 ]
  [ "$output" = "to stdout" ]
  # shellcheck disable=SC2154
  [ "$stderr" = "to stderr" ]
  [ "$(cat "a log/run.log")" = "to stdout" ]
  [ "$(cat "a log/run.err")" = "to stderr" ]
}

@test "run_logged returns success for success" {
  run in_recipe 'run_logged run echo fine; echo "then $?"'
  [ "$output" = $'fine\nthen 0' ]
}
