# shellcheck shell=bash
# Sourced first by every recipe: strict mode, the environment, logging, launching.
set -euo pipefail

repo_root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"

die() {
  echo "error: $*" >&2
  exit 2
}

# Use the active environment if it has ama, else .venv.
activate_environment() {
  # -P: a folder named ama in the working directory is not the package.
  if python -P -c 'import ama' 2>/dev/null; then
    return
  fi
  PATH="${repo_root}/.venv/bin:${PATH}"
  python -P -c 'import ama' 2>/dev/null || die "ama is not installed: run ${repo_root}/install.sh"
}

# accept_spelling NAME OTHER: let a variable be set under another name.
accept_spelling() {
  local name="$1" other="$2"
  if [[ -z "${!other:-}" ]]; then
    return
  fi
  if [[ -n "${!name:-}" && "${!name}" != "${!other}" ]]; then
    die "${name} and ${other} are both set, and differ: set one"
  fi
  printf -v "$name" '%s' "${!other}"
}

# run_logged LOG COMMAND...: run with stdout in LOG.log and stderr in LOG.err, both on the terminal too, and return the
# command's exit status.
run_logged() {
  local log="$1"
  shift
  mkdir -p "$(dirname "$log")"
  # Descriptor 4 is stdout, and 3 carries the command's stderr past the first tee. -i: tee outlives Ctrl-C, so that the
  # command's last words are kept.
  {
    { "$@" 2>&3 3>&- 4>&- | tee -i "${log}.log" >&4 3>&-; } 3>&1 | tee -i "${log}.err" >&2 4>&-
  } 4>&1
}

# python_on_ranks COUNT ARGUMENTS...: python, under mpirun if there is more than one rank.
python_on_ranks() {
  local count="$1"
  shift
  if [[ "$count" == 1 ]]; then
    python "$@"
    return
  fi
  # Open MPI refuses to run as root, as containers do, without these.
  if [[ "$(id -u)" == 0 ]]; then
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  fi
  mpirun -np "$count" python "$@"
}
