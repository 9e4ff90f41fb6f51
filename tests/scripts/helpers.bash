# shellcheck shell=bash
# Loaded by every test file: a copy of the scripts with stub programs beside it, so that nothing real is run.

# A copy of what the scripts need, and a folder of stubs that comes first in PATH. One of them is `record ARGUMENTS...`,
# for the others to note what they were called with, one argument a line.
make_repository() {
  repository="${BATS_TEST_TMPDIR}/a repository"
  stubs="${BATS_TEST_TMPDIR}/stubs"
  calls="${BATS_TEST_TMPDIR}/calls"
  mkdir -p "$repository" "$stubs"
  cp -r "${BATS_TEST_DIRNAME}/../../"{install.sh,requirements.txt,requirements-dev.txt,scripts} "$repository"
  : >"$calls"
  export calls
  stub "${stubs}/record" <<'EOF'
printf '%s\n' "$@" >>"$calls"
EOF
  PATH="${stubs}:/usr/bin:/bin"
  unset VIRTUAL_ENV CONDA_PREFIX CONDA_DEFAULT_ENV
  cd "$BATS_TEST_TMPDIR" || return
}

# stub PATH: make an executable of standard input.
stub() {
  mkdir -p "$(dirname "$1")"
  { echo '#!/usr/bin/env bash' && cat; } >"$1"
  chmod +x "$1"
}

# expect_lines FILE LINE...: the file holds these lines and no others.
expect_lines() {
  local file="$1"
  shift
  diff -u <(printf '%s\n' "$@") "$file"
}

# make_repository with the configurations, and stubs that record how python and torchrun are called.
make_launching_repository() {
  make_repository
  cp -r "${BATS_TEST_DIRNAME}/../../configs" "$repository"
  stub "${stubs}/python" <<<'[[ "$*" == *"import ama"* ]] || record python "$@"'
  stub "${stubs}/torchrun" <<'EOF'
record torchrun "$CUDA_VISIBLE_DEVICES" "$@"
EOF
}

# make_repository with the configurations, and stubs that record how the launchers of trainings are called.
make_training_repository() {
  make_repository
  cp -r "${BATS_TEST_DIRNAME}/../../configs" "$repository"
  stub "${stubs}/python" <<<'[[ "$*" == *"import ama"* ]] || record python "$@"'
  stub "${stubs}/torchrun" <<<'record torchrun "$@"'
  stub "${stubs}/deepspeed" <<<'record deepspeed "$@"'
}
