#!/usr/bin/env bash
# Average two checkpoints by learned ratios. Edit the variables, or set them in the environment; further arguments go to
# `python -m ama.merge_masks` (see its --help), such as --mean_ratio 0.3 for the same pattern at another mean:
#
#   alphas_path=output/masks bash scripts/postprocess/weight_mask_merge.sh --mean_ratio 0.3
source "$(dirname "${BASH_SOURCE[0]}")/../lib/common.sh"
accept_spelling weight_ensamble_save_path weight_ensemble_save_path

# Before and after RLHF: checkpoint folders or hub ids; the second may be a LoRA adapter folder.
: "${model_path0:=path/to/model_before_rlhf}"
: "${model_path1:=path/to/model_after_rlhf}"
# mask_alphas.bin, or its folder.
: "${alphas_path:=output/masks_block3_0.2}"
# Where the merged checkpoint goes.
: "${weight_ensamble_save_path:=output/ama_$(basename "$alphas_path" .bin)}"

# MPI ranks that share the shards: worth it on a parallel file system.
: "${num_ranks:=1}"
# What the run prints goes to this name with .log and .err added.
: "${log_path:=output/logs/weight_mask_merge}"

activate_environment
run_logged "$log_path" python_on_ranks "$num_ranks" -m ama.merge_masks \
  --before "$model_path0" --after "$model_path1" --masks "$alphas_path" --out "$weight_ensamble_save_path" "$@"
