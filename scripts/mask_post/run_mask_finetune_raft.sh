#!/usr/bin/env bash
# Learn averaging ratios on samples collected from the model after RLHF. Edit the variables, or set them in the
# environment; further arguments go to `python -m ama.optimize_masks` (see its --help):
#
#   lr=0.005 mask_level=layerwise bash scripts/mask_post/run_mask_finetune_raft.sh --bf16
#
# The result, mask_alphas.bin in output_dir, is merged by scripts/postprocess/weight_mask_merge.sh.
source "$(dirname "${BASH_SOURCE[0]}")/../lib/common.sh"
source "${repo_root}/scripts/lib/launch.sh"

# Before and after RLHF: checkpoint folders.
: "${model_path0:=path/to/model_before_rlhf}"
: "${model_path:=path/to/model_after_rlhf}"
# LMFlow JSON of samples of the model after RLHF with high rewards: a file, or a folder of them.
: "${dataset_path:=data/collected_samples}"

# mask_norm_sigmoid_linear, as released, or mask_shift_sigmoid_linear.
: "${approach:=mask_norm_sigmoid_linear}"
# What shares a ratio: block3 (any blockK), lblock3 (with a ratio of its own for the head), layerwise, linearwise.
: "${mask_level:=block3}"
# Mean of the ratios, which are weights of the model before RLHF.
: "${init_val:=0.2}"
# The larger, the nearer the ratios stay to their mean.
: "${epsilon:=0.2}"
# The released learning rate. The run says at its end if the ratios have not settled: then try 100 times as much.
: "${lr:=2e-5}"
# Weight and kind of the penalty on |ratio - init_val|: 0 absolute, 1 squared; 0.2 and 1.2 weigh the middle layers most.
: "${reg_alpha:=1e-4}"
: "${sum_reg_type:=0.2}"

: "${output_dir:=output/masks_${mask_level}_${init_val}}"
# Processes on a machine: GPUs, or shares of a CPU.
: "${num_gpus:=1}"
# DeepSpeed hostfile for several machines; empty for this one.
: "${hostfile:=}"
# 0, 2 or 3 to run under DeepSpeed on one machine too; with a hostfile it is 2 unless set.
: "${zero_stage:=}"
# What the run prints goes to this name with .log and .err added.
: "${log_path:=output/logs/run_mask_finetune_raft}"

activate_environment
run_logged "$log_path" launch "$num_gpus" "$hostfile" "$zero_stage" -m ama.optimize_masks \
  --before "$model_path0" --after "$model_path" --data "$dataset_path" --out "$output_dir" \
  --approach "$approach" --mask_level "$mask_level" --mean_ratio "$init_val" --epsilon "$epsilon" --lr "$lr" \
  --reg_alpha "$reg_alpha" --sum_reg_type "$sum_reg_type" "$@"
