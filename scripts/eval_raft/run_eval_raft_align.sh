#!/usr/bin/env bash
# Reward: replies to held-out prompts of HH-RLHF, judged by a reward model. Edit the variables, or set them in the
# environment; further arguments go to `python -m ama.evaluate_reward` (see its --help):
#
#   model_path='models/sft models/rlhf' bash scripts/eval_raft/run_eval_raft_align.sh --limit 500
#   model_path='' bash scripts/eval_raft/run_eval_raft_align.sh --before models/sft --after models/rlhf --schedule 0.2 0.4
#
# Replies with their rewards go to replies in output_dir.
source "$(dirname "${BASH_SOURCE[0]}")/../lib/common.sh"
source "${repo_root}/scripts/lib/evaluate.sh"

# One model or several, parted by spaces: folders, hub ids, LoRA adapters.
: "${model_path=path/to/model}"
: "${reward_model_path:=output/reward_model}"
# LMFlow JSON of prompts: a file, or a folder of them.
: "${dataset_path:=data/hh_rlhf/rlhf/rlhf_eval}"
# Name in the file of scores.
: "${task:=hh_rlhf}"
: "${output_dir:=output/scores}"

# The paper's values.
: "${temperature:=1.0}"
: "${max_new_tokens:=196}"
: "${max_prompt_tokens:=256}"
# Replies at a time on each GPU: in sampling, where another number draws other replies, and in scoring.
: "${sample_batch:=64}"
: "${batch_size:=64}"

# GPUs, such as 0,1: a process on each; empty for one process on whatever is there.
: "${gpu_ids:=}"
# What the run prints goes to this name with .log and .err added.
: "${log_path:=output/logs/eval_raft}"

activate_environment
# Of the other evaluations; no set of theirs is read here.
unset eval_data
evaluate ama.evaluate_reward --reward_model "$reward_model_path" --prompts "$dataset_path" --task "$task" \
  --temperature "$temperature" --max_new_tokens "$max_new_tokens" --max_prompt_tokens "$max_prompt_tokens" \
  --sample_batch "$sample_batch" -- "$@"
