#!/usr/bin/env bash
# Measure the reward of models: replies to held-out prompts of HH-RLHF, judged by a reward model. Edit the variables, or
# set them in the environment; further arguments go to `python -m ama.evaluate_reward` (see its --help):
#
#   model_path='output/sft output/raft/iteration_10/model' bash scripts/eval_raft/run_eval_raft_align.sh --limit 500
#   model_path0=output/sft model_path1=output/rlhf schedule='0.2 0.4' bash scripts/eval_raft/run_eval_raft_align.sh
#
# Rows go to output_dir/scores.jsonl, replies with rewards to output_dir/replies.
source "$(dirname "${BASH_SOURCE[0]}")/../lib/common.sh"
source "${repo_root}/scripts/lib/launch.sh"
source "${repo_root}/scripts/lib/evaluate.sh"

# What to measure: folders, hub ids, LoRA adapters, with spaces between them.
: "${model_path:=output/raft/iteration_10/model}"
# Or averages made in memory: before and after RLHF, and ratios, split tags or files, with spaces between them.
: "${model_path0:=path/to/model_before_rlhf}"
: "${model_path1:=path/to/model_after_rlhf}"
: "${schedule:=}"

: "${reward_model_path:=output/reward_model}"
# LMFlow JSON of prompts: a file, or a folder of them.
: "${dataset_path:=data/hh_rlhf/rlhf/rlhf_eval}"
: "${output_dir:=output/eval_raft}"
# Name in the file of scores.
: "${task:=hh_rlhf}"

# The paper's values.
: "${temperature:=1.0}"
: "${max_new_tokens:=196}"
: "${max_prompt_tokens:=256}"
# Replies at a time on each GPU: in sampling, where another number draws other replies, and in scoring.
: "${sample_batch:=64}"
: "${batch_size:=64}"
: "${seed:=0}"

# GPUs to share the work, such as 0,1,2,3; empty for one process.
: "${gpu_ids:=}"
# What the run prints goes to this name with .log and .err added.
: "${log_path:=output/logs/run_eval_raft_align}"

activate_environment
run_logged "$log_path" evaluate "$model_path" "$model_path0" "$model_path1" "$schedule" "$gpu_ids" ama.evaluate_reward \
  --reward_model "$reward_model_path" --prompts "$dataset_path" --task "$task" --scores "${output_dir}/scores.jsonl" \
  --temperature "$temperature" --max_new_tokens "$max_new_tokens" --max_prompt_tokens "$max_prompt_tokens" \
  --sample_batch "$sample_batch" --batch_size "$batch_size" --seed "$seed" "$@"
