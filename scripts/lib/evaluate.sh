# shellcheck shell=bash
# Sourced after common.sh by the recipes that measure models: what their variables say, as arguments of the command.
set -euo pipefail

source "${repo_root:?source common.sh first}/scripts/lib/launch.sh"

# evaluate MODULE OPTIONS... -- ARGUMENTS...: run `python -m MODULE OPTIONS... ARGUMENTS...` on the models of model_path,
# in a process for each of gpu_ids; rows go to scores.jsonl in output_dir.
evaluate() {
  local module="$1" options=() models=() gpus=() processes=1
  shift
  while [[ "$1" != -- ]]; do
    options+=("$1")
    shift
  done
  shift
  read -ra models <<<"${model_path?}"
  IFS=, read -ra gpus <<<"${gpu_ids?}"
  if [[ -n "$gpu_ids" ]]; then
    export CUDA_VISIBLE_DEVICES="$gpu_ids"
    processes="${#gpus[@]}"
  fi
  if ((${#models[@]})); then
    options+=(--models "${models[@]}")
  fi
  if [[ -n "${eval_data:-}" ]]; then
    options+=(--eval_data "$eval_data")
  fi
  run_logged "${log_path?}" launch "$processes" "" "" -m "$module" "${options[@]}" --batch_size "${batch_size?}" \
    --scores "${output_dir?}/scores.jsonl" "$@"
}
