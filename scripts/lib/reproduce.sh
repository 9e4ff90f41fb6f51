# shellcheck shell=bash
# Sourced after common.sh by the recipes of whole experiments: a stage, skipped if it is done, and all around it. The
# variables are those at the top of these recipes.
set -euo pipefail

source "${repo_root:?source common.sh first}/scripts/lib/experiment.sh"

experiment_plan=""
experiment_results=""

# begin ARGUMENTS...: read the recipe's arguments and check its settings.
begin() {
  local argument folder source
  for argument in "$@"; do
    [[ "$argument" == --dry_run ]] || die "unknown argument '${argument}': give --dry_run or --help; settings are variables"
    dry_run=true
  done
  for folder in output data_dir; do
    [[ "${!folder}" != *[[:space:]]* ]] || die "${folder} '${!folder}': give a folder without spaces in its name"
  done
  [[ "${num_gpus?}" =~ ^[1-9][0-9]*$ ]] || die "num_gpus is '${num_gpus}': give the number of processes on a machine"
  for source in HH_RLHF_SOURCE EVAL_SOURCE ALPACA_EVAL_SOURCE; do
    [[ -z "${!source:-}" ]] || need_path "$source" "${!source}" "unset it to download"
  done
  activate_environment
  local words checked
  read -ra words <<<"${alpha?} ${ratios?} ${mask_means?}"
  checked=(--ratios "${words[@]}")
  read -ra words <<<"${part_wise?}"
  ((${#words[@]} == 0)) || checked+=(--part_wise "${words[@]}")
  plan_experiment "${checked[@]}"
}

# plan_experiment ARGUMENTS...: ama's command for the recipe's model.
plan_experiment() {
  local size
  read -ra size <<<"${model_size?}"
  ((${#size[@]} == 5)) || die "model_size '${model_size}': give parameters, layers, width, vocabulary and width of keys"
  python -m ama.plan_experiment --params "${size[0]}" --layers "${size[1]}" --hidden "${size[2]}" --vocab "${size[3]}" \
    --key_width "${size[4]}" "$@"
}

# need_path VARIABLE PATH REMEDY: what has to be there before anything is run.
need_path() {
  [[ -e "$2" ]] || die "$1 '$2' is missing: $3"
}

# stage NAME RESULT [VARIABLE=VALUE ...] RECIPE-OR-PROGRAM ARGUMENTS...: run one stage unless its result is there; in a
# dry run print it. Variables that are not given have the recipe's defaults, whatever the environment says.
stage() {
  local name="$1" result="$2" settings=() clean=() command=() record text resolved variable
  record="${output?}/stages/${name}"
  shift 2
  while [[ "$1" =~ ^[a-z_0-9]+= ]]; do
    settings+=("$1")
    shift
  done
  command=("$@")
  if [[ "$1" == *.sh ]]; then
    while read -r variable; do
      clean+=(-u "$variable")
    done < <(variables_of "${repo_root}/$1")
    [[ "$1" != scripts/* ]] || settings+=("log_path=${output}/logs/${name}")
    command=(env "${clean[@]}" "${settings[@]}" bash "${repo_root}/$1" "${@:2}")
    set -- bash "$@"
  fi
  experiment_results+="  ${name}: ${result}"$'\n'
  text="$(quoted "${settings[@]}" "$@")"
  if [[ "${dry_run:-}" == true ]]; then
    resolved="$text"
    [[ "$1" != bash ]] || resolved="$(dry_run=true "${command[@]}")"
    experiment_plan+="${name}=${resolved}"$'\n'
    printf '== %s: %s\n%s\n' "$name" "$result" "$text"
    [[ "$resolved" == "$text" ]] || printf '  %s\n' "$resolved"
    return
  fi
  if [[ -e "$result" && -f "$record" && "$(cat "$record")" == "$text" ]]; then
    printf '== %s is done: %s\n' "$name" "$result"
    return
  fi
  # Scores and reports grow by what is missing; all else appears when it is whole, and belongs to its settings.
  if [[ -e "$result" && "$result" != *.jsonl && "$result" != *.html && "$result" != "$record" ]]; then
    [[ ! -f "$record" ]] ||
      die "${result} was made with other settings, which ${record} tells: choose another output, or remove both"
    printf '== %s is there already: %s\n' "$name" "$result"
  else
    printf '== %s: %s\n' "$name" "$result"
    if [[ "${settings[*]}" == *log_path=* ]]; then
      "${command[@]}"
    else
      run_logged "${output}/logs/${name}" "${command[@]}"
    fi
  fi
  mkdir -p "${output}/stages"
  printf '%s\n' "$text" >"$record"
}

# end: where all lies, or in a dry run what it would need.
end() {
  if [[ "${dry_run:-}" == true ]]; then
    plan_experiment --stages - <<<"$experiment_plan"
    return
  fi
  python -m ama.show_scores "${output}/scores/scores.jsonl"
  printf 'Results:\n%sLogs: %s\n' "$experiment_results" "${output}/logs"
}

# data_sets NAME...: download or copy data sets.
data_sets() {
  local name further
  for name in "$@"; do
    further=()
    [[ "$name" != hh_rlhf ]] || read -ra further <<<"${hh_arguments?}"
    stage "data_${name}" "${data_dir?}/${name}/manifest.json" data_dir="$data_dir" data/download.sh "$name" "${further[@]}"
  done
}

# fetch_model NAME MODEL OPTIONS...: download a model unless it is a folder, and set NAME to its folder.
fetch_model() {
  local name="$1" model="$2"
  printf -v "$name" '%s' "$model"
  [[ ! -d "$model" ]] || return 0
  # A path such as models/sft would be a hub id as well.
  [[ "$model" =~ ^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$ && ! -d "${model%%/*}" ]] ||
    die "${name} '${model}' is missing: give a checkpoint folder or a hub id"
  printf -v "$name" '%s' "${output}/models/${model##*/}"
  # What is there of a download that was cut short says nothing; only the record does.
  stage "fetch_${name}" "${output}/stages/fetch_${name}" hf download "$model" --local-dir "${!name}" "${@:3}"
}
