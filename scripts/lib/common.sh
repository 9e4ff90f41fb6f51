# shellcheck shell=bash
# Sourced first by every recipe: strict mode, --help, the environment, logging, launching.
set -euo pipefail

repo_root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"

die() {
  echo "error: $*" >&2
  exit 2
}

# variables_of RECIPE: the names of the variables that it takes from the environment, one a line.
variables_of() {
  sed -nE 's/^: "\$\{([A-Za-z_][A-Za-z_0-9]*):?=.*/\1/p' "$1"
}

# show_help RECIPE: its leading comment, and its variables with their defaults and explanations.
show_help() {
  sed -nE '2,${/^#/!q; s/^# ?//p;}' "$1"
  [[ -n "$(variables_of "$1")" ]] || return 0
  printf '\nVariables, as NAME=DEFAULT:\n\n'
  # The comment right above a variable goes with it; a variable that is commented out is no part of that. A default may
  # take several lines.
  awk '
    !inside && /^# : / { next }
    !inside && /^#/ { comment = comment "  " $0 "\n"; next }
    !inside && /^: "\$\{[A-Za-z_0-9]+:?=/ { printf "%s", comment; inside = 1; sub(/^: "\$\{/, "  "); sub(/:?=/, "=") }
    { comment = "" }
    inside { inside = !sub(/}"$/, ""); print }
  ' "$1"
  if grep -q '^ *run_logged\|^evaluate ' "$1"; then
    printf '\ndry_run=true prints the command that would be run.\n'
  fi
}

# quoted WORD...: a command as it can be pasted into a shell, with quotes only where they are needed.
quoted() {
  local word line=""
  for word in "$@"; do
    if [[ "$word" =~ ^([A-Za-z_][A-Za-z_0-9]*=)(.*[^A-Za-z_0-9./:=,@%+-].*)$ ]]; then
      word="${BASH_REMATCH[1]}${BASH_REMATCH[2]@Q}"
    elif [[ ! "$word" =~ ^[A-Za-z_0-9./:=,@%+-]+$ ]]; then
      word="${word@Q}"
    fi
    line+="${line:+ }${word}"
  done
  printf '%s\n' "$line"
}

# perform COMMAND...: run it; with dry_run=true print the program that it would start, with all its arguments.
perform() {
  if [[ "${dry_run:-}" != true ]]; then
    "$@"
    return
  fi
  (
    # shellcheck disable=SC2329
    python() { quoted python "$@"; }
    # shellcheck disable=SC2329
    torchrun() { quoted torchrun "$@"; }
    # shellcheck disable=SC2329
    deepspeed() { quoted deepspeed "$@"; }
    # shellcheck disable=SC2329
    mpirun() { quoted mpirun "$@"; }
    "$@"
  )
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
  if [[ "${dry_run:-}" == true ]]; then
    perform "$@"
    return
  fi
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

# Every recipe explains itself, and needs no environment for that. data/download.sh has a --help of its own.
recipe="${BASH_SOURCE[1]:-}"
if [[ "$(cd "$(dirname "$recipe")" && pwd)/" == "${repo_root}/scripts/"* ]]; then
  for argument in "$@"; do
    if [[ "$argument" == --help || "$argument" == -h ]]; then
      show_help "$recipe"
      exit
    fi
  done
fi
