#!/usr/bin/env bash
# Average two checkpoints: merged = alpha * model_path0 + (1 - alpha) * model_path1. Edit the variables, or set them in
# the environment; further arguments go to `python -m ama.interpolate` (see its --help):
#
#   alpha=0.2 bash scripts/postprocess/weight_interpolation.sh --overwrite
source "$(dirname "${BASH_SOURCE[0]}")/../lib/common.sh"
accept_spelling weight_ensamble_save_path weight_ensemble_save_path

# The weight of model_path0: 0 is the model after RLHF, 1 the model before. Empty where a schedule file gives it.
: "${alpha=0.3}"
# Before and after RLHF: checkpoint folders or hub ids; the second may be a LoRA adapter folder.
: "${model_path0:=path/to/model_before_rlhf}"
: "${model_path1:=path/to/model_after_rlhf}"
# Short names of the two, without "_", "|" and "#".
: "${tag0:=before}"
: "${tag1:=after}"

# Where the merged checkpoint goes. A field of the name that starts with "split" is a part-wise schedule: with the second
# line in place of the first, layers 0-10, 11-20 and 21-last take 0.4, 0.3 and 0.2, and the head takes alpha.
: "${weight_ensamble_save_path:=output/pma_${alpha}_${tag0}_${tag1}}"
# : "${weight_ensamble_save_path:=output/pma_${alpha}_${tag0}_split|10#20|0.4|0.3|0.2_${tag1}}"

# MPI ranks that share the shards: worth it on a parallel file system.
: "${num_ranks:=1}"
# What the run prints goes to this name with .log and .err added.
: "${log_path:=output/logs/weight_interpolation}"

activate_environment
run_logged "$log_path" python_on_ranks "$num_ranks" -m ama.interpolate \
  --before "$model_path0" --after "$model_path1" ${alpha:+--ratio "$alpha"} --tag0 "$tag0" --tag1 "$tag1" \
  --out "$weight_ensamble_save_path" "$@"
