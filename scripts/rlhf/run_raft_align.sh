#!/usr/bin/env bash
# RAFT, rejection sampling fine-tuning: sample replies, score them, train on the best, and again. Edit the variables, or
# set them in the environment; further arguments go to `python -m ama.train_raft` (see its --help):
#
#   iterations=4 bash scripts/rlhf/run_raft_align.sh --keep top_share --bf16
#
# Each iteration's model is output_dir/iteration_NN/model; the last one's collected.json is the data set of
# scripts/mask_post/run_mask_finetune_raft.sh.
source "$(dirname "${BASH_SOURCE[0]}")/../lib/common.sh"
source "${repo_root}/scripts/lib/launch.sh"

# The model before RLHF, and the reward model.
: "${model_path:=output/sft}"
: "${reward_model_path:=output/reward_model}"
# LMFlow JSON of prompts: a file, or a folder of them.
: "${dataset_path:=data/hh_rlhf/rlhf/rlhf_prompt}"
: "${output_dir:=output/raft}"

# The paper's values: prompts of an iteration, replies to each, and the training on the best of them.
: "${iterations:=10}"
: "${prompts:=2048}"
: "${samples:=32}"
: "${temperature:=1.0}"
: "${max_new_tokens:=128}"
: "${lr:=1e-5}"
: "${epochs:=2}"
: "${batch:=32}"
# Rank of low-rank adapters to train in place of the weights; empty to train all. They are merged each time.
: "${lora_r:=}"

# Processes on a machine: GPUs, or shares of a CPU.
: "${num_gpus:=1}"
# DeepSpeed hostfile for several machines; empty for this one.
: "${hostfile:=}"
# ZeRO stage to run under DeepSpeed on one machine too; with a hostfile it is 2 unless set.
: "${zero_stage:=}"
# What the run prints goes to this name with .log and .err added.
: "${log_path:=output/logs/run_raft_align}"

activate_environment
run_logged "$log_path" launch "$num_gpus" "$hostfile" "$zero_stage" -m ama.train_raft \
  --model "$model_path" --reward_model "$reward_model_path" --prompts "$dataset_path" --out "$output_dir" \
  --iterations "$iterations" --prompts_per_iteration "$prompts" --samples "$samples" --temperature "$temperature" \
  --max_new_tokens "$max_new_tokens" --lr "$lr" --epochs "$epochs" --batch "$batch" \
  ${lora_r:+--lora_r "$lora_r"} "$@"
