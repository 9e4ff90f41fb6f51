# shellcheck shell=bash
# Sourced after common.sh and launch.sh by the recipes that measure models: which models, on which GPUs.
set -euo pipefail

# evaluate MODELS BEFORE AFTER SCHEDULES GPU_IDS COMMAND OPTIONS...: run `python -m COMMAND` on averages made in memory if
# there are SCHEDULES, else on MODELS; several stand apart by spaces. A process runs on each of GPU_IDS, such as 0,1,2;
# without ids there is one process.
evaluate() {
  local models schedules subjects gpus
  read -r -a models <<<"$1"
  read -r -a schedules <<<"$4"
  if [[ "${#schedules[@]}" != 0 ]]; then
    subjects=(--before "$2" --after "$3" --schedule "${schedules[@]}")
  elif [[ "${#models[@]}" != 0 ]]; then
    subjects=(--models "${models[@]}")
  else
    die "model_path is empty: name a model, or several with spaces between them"
  fi
  IFS=, read -r -a gpus <<<"${5:-none}"
  if [[ -n "$5" ]]; then
    export CUDA_VISIBLE_DEVICES="$5"
  fi
  launch "${#gpus[@]}" '' '' -m "$6" "${subjects[@]}" "${@:7}"
}
