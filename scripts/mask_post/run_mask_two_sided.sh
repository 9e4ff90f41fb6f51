#!/usr/bin/env bash
# Learn free averaging ratios by both models: what the one after RLHF says on its samples, and at a price what the one
# before says on texts of its own. Edit the variables, or set them in the environment; further arguments go to
# `python -m ama.optimize_masks` (see its --help):
#
#   mask_level=row price='0.1 0.3' bash scripts/mask_post/run_mask_two_sided.sh --bf16
#
# The result in output_dir has ratios for each price; output_dir@price=0.1 is one schedule, for
# scripts/pareto/run_pareto.sh and, as alphas_path with --price 0.1, scripts/postprocess/weight_mask_merge.sh.
source "$(dirname "${BASH_SOURCE[0]}")/../lib/common.sh"
source "${repo_root}/scripts/lib/launch.sh"

# Before and after RLHF: checkpoint folders.
: "${model_path0:=path/to/model_before_rlhf}"
: "${model_path:=path/to/model_after_rlhf}"
# LMFlow JSON of samples of the model after RLHF: a file, or a folder of them.
: "${dataset_path:=data/collected_samples}"
# Texts that the average shall treat as the model before RLHF does; empty for that model's own samples.
: "${retain_data:=}"
# How many of its own samples to draw.
: "${retain_samples:=512}"

# What has a ratio: tensor, row (what gives one output) or element. Elements gain most, and take memory for five more
# numbers a weight; rows take next to none.
: "${mask_level:=element}"
# Of the model before RLHF, from small to large, each a point of the front: a small price keeps the reward, a large one
# gives skills back.
: "${price:=0.03 0.1 0.3 1}"
# soft: whole next-token distributions; sampled: the texts' own tokens, which give about half.
: "${targets:=soft}"
# Of soft targets, so many likeliest tokens and the rest as one, made once; 0 for all, made at each step.
: "${teacher_top_k:=0}"
# Which of the samples' tokens count: response or text.
: "${loss_on:=response}"
# all parameters, or the linear maps alone.
: "${scope:=all}"
# Where the ratios start.
: "${start_ratio:=0.3}"
# Of the raw scalars, and of AdamW's mean of squared gradients.
: "${lr:=0.1}"
: "${beta2:=0.98}"
# Steps at each price, and blocks of tokens in a step on each process.
: "${max_steps:=80}"
: "${micro_batch:=16}"

: "${output_dir:=output/masks_two_sided_${mask_level}}"
# Processes on a machine: GPUs, or shares of a CPU.
: "${num_gpus:=1}"
# DeepSpeed hostfile for several machines; empty for this one.
: "${hostfile:=}"
# 0, 2 or 3 to run under DeepSpeed on one machine too; with a hostfile it is 2 unless set.
: "${zero_stage:=}"
# What the run prints goes to this name with .log and .err added.
: "${log_path:=output/logs/run_mask_two_sided}"

activate_environment
read -ra prices <<<"$price"
run_logged "$log_path" launch "$num_gpus" "$hostfile" "$zero_stage" -m ama.optimize_masks \
  --before "$model_path0" --after "$model_path" --data "$dataset_path" --out "$output_dir" \
  --approach free_sigmoid --mask_level "$mask_level" --price "${prices[@]}" --targets "$targets" \
  --teacher_top_k "$teacher_top_k" --loss_on "$loss_on" --scope "$scope" --start_ratio "$start_ratio" --lr "$lr" \
  --beta2 "$beta2" --warmup 0 --max_steps "$max_steps" --micro_batch "$micro_batch" \
  --retain_samples "$retain_samples" ${retain_data:+--retain_data "$retain_data"} "$@"
