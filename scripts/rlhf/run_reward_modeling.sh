#!/usr/bin/env bash
# Train a reward model on HH-RLHF's pairs and measure it on held-out ones. Edit the variables, or set them in the
# environment; further arguments go to `python -m ama.train_reward` (see its --help):
#
#   model_path=output/sft bash scripts/rlhf/run_reward_modeling.sh --bf16
source "$(dirname "${BASH_SOURCE[0]}")/../lib/common.sh"
source "${repo_root}/scripts/lib/launch.sh"

# The model to start from, after SFT.
: "${model_path:=output/sft}"
# LMFlow JSON of pairs: a file, or a folder of them.
: "${dataset_path:=data/hh_rlhf/rm/train}"
# Pairs to measure on; set it empty to set 5 % of the prompts of dataset_path apart.
: "${eval_path=data/hh_rlhf/rm/held_out}"
: "${output_dir:=output/reward_model}"

# The paper's values. Pairs with a text of more than max_length tokens are left out.
: "${lr:=5e-6}"
: "${epochs:=1}"
: "${batch:=16}"
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
: "${log_path:=output/logs/run_reward_modeling}"

activate_environment
run_logged "$log_path" launch "$num_gpus" "$hostfile" "$zero_stage" -m ama.train_reward \
  --model "$model_path" --data "$dataset_path" --out "$output_dir" --lr "$lr" --epochs "$epochs" --batch "$batch" \
  --max_length "$max_length" ${eval_path:+--eval_data "$eval_path"} ${lora_r:+--lora_r "$lora_r"} "$@"
