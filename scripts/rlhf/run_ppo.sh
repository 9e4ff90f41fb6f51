#!/usr/bin/env bash
# PPO against a reward model, with a penalty on the KL divergence from the model before. Edit the variables, or set them
# in the environment; further arguments go to `python -m ama.train_ppo` (see its --help):
#
#   kl_coef=0.1 lr=1e-5 lora_r=16 bash scripts/rlhf/run_ppo.sh --bf16
source "$(dirname "${BASH_SOURCE[0]}")/../lib/common.sh"
source "${repo_root}/scripts/lib/launch.sh"

# The model before RLHF, and a reward model of the same vocabulary.
: "${model_path:=output/sft}"
: "${reward_model_path:=output/reward_model}"
# LMFlow JSON of prompts: a file, or a folder of them.
: "${dataset_path:=data/hh_rlhf/rlhf/rlhf_prompt}"
: "${output_dir:=output/ppo}"

# The paper's values: rollouts of a round, passes over them in minibatches of batch. It also tried a kl_coef of 0.1 and
# 0.2, and with adapters of rank 16 an lr of 1e-5.
: "${rollouts:=512}"
: "${rounds:=100}"
: "${kl_coef:=0.05}"
: "${temperature:=1.0}"
: "${max_new_tokens:=128}"
: "${lr:=1e-6}"
: "${epochs:=2}"
: "${batch:=32}"
# Subtracted from each reward: the paper took 5.5625, which suits its own reward model.
: "${reward_baseline:=0}"
# Rank of low-rank adapters to train in place of the weights; empty to train all. They are merged at the end.
: "${lora_r:=}"

# Processes on a machine: GPUs, or shares of a CPU.
: "${num_gpus:=1}"
# DeepSpeed hostfile for several machines; empty for this one.
: "${hostfile:=}"
# ZeRO stage to run under DeepSpeed on one machine too; with a hostfile it is 2 unless set.
: "${zero_stage:=}"
# What the run prints goes to this name with .log and .err added.
: "${log_path:=output/logs/run_ppo}"

activate_environment
run_logged "$log_path" launch "$num_gpus" "$hostfile" "$zero_stage" -m ama.train_ppo \
  --model "$model_path" --reward_model "$reward_model_path" --prompts "$dataset_path" --out "$output_dir" \
  --rollouts "$rollouts" --rounds "$rounds" --kl_coef "$kl_coef" --temperature "$temperature" \
  --max_new_tokens "$max_new_tokens" --lr "$lr" --epochs "$epochs" --batch "$batch" \
  --reward_baseline "$reward_baseline" ${lora_r:+--lora_r "$lora_r"} "$@"
