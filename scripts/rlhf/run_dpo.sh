#!/usr/bin/env bash
# DPO: the model after RLHF from preference pairs, without a reward model. Edit the variables, or set them in the
# environment; further arguments go to `python -m ama.train_dpo` (see its --help):
#
#   beta=0.3 bash scripts/rlhf/run_dpo.sh --bf16
source "$(dirname "${BASH_SOURCE[0]}")/../lib/common.sh"
source "${repo_root}/scripts/lib/launch.sh"

# The model before RLHF, which is the reference, too.
: "${model_path:=output/sft}"
# LMFlow JSON of pairs: a file, or a folder of them.
: "${dataset_path:=data/hh_rlhf/rm/train/train.json}"
: "${output_dir:=output/dpo}"

# The paper's values; it also tried a beta of 0.3 and 0.5.
: "${beta:=0.1}"
: "${lr:=1e-6}"
: "${epochs:=1}"
: "${batch:=32}"
# Pairs with a text of more tokens are left out.
: "${max_length:=512}"
# Rank of low-rank adapters to train in place of the weights; empty to train all. They are merged at the end.
: "${lora_r:=}"

# Processes on a machine: GPUs, or shares of a CPU.
: "${num_gpus:=1}"
# DeepSpeed hostfile for several machines; empty for this one.
: "${hostfile:=}"
# ZeRO stage to run under DeepSpeed on one machine too; with a hostfile it is 2 unless set.
: "${zero_stage:=}"
# What the run prints goes to this name with .log and .err added.
: "${log_path:=output/logs/run_dpo}"

activate_environment
run_logged "$log_path" launch "$num_gpus" "$hostfile" "$zero_stage" -m ama.train_dpo \
  --model "$model_path" --data "$dataset_path" --out "$output_dir" --beta "$beta" --lr "$lr" --epochs "$epochs" \
  --batch "$batch" --max_length "$max_length" ${lora_r:+--lora_r "$lora_r"} "$@"
