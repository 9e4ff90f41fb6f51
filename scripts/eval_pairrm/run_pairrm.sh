#!/usr/bin/env bash
# Measure how often PairRM prefers the replies of models to reference replies. Edit the variables, or set them in the
# environment; further arguments go to `python -m ama.evaluate_pairrm` (see its --help):
#
#   model_path='output/sft output/rlhf' pairrm_path=models/PairRM-hf bash scripts/eval_pairrm/run_pairrm.sh --limit 100
#
# `bash data/download.sh alpaca_eval` makes the references. The paper's other variant asks 2000 HH prompts:
#
#   references_path=output/other_replies.json reference_name='' task=hh_rlhf top_k=50 top_p=0.95 max_new_tokens=256 \
#     bash scripts/eval_pairrm/run_pairrm.sh --prompts data/hh_rlhf/rlhf/rlhf_eval --limit 2000
#
# Rows go to output_dir/scores.jsonl, pairs with PairRM's logits to output_dir/replies.
source "$(dirname "${BASH_SOURCE[0]}")/../lib/common.sh"
source "${repo_root}/scripts/lib/launch.sh"
source "${repo_root}/scripts/lib/evaluate.sh"

# What to measure: folders, hub ids, LoRA adapters, with spaces between them.
: "${model_path:=output/raft/iteration_10/model}"
# Or averages made in memory: before and after RLHF, and ratios, split tags or files, with spaces between them.
: "${model_path0:=path/to/model_before_rlhf}"
: "${model_path1:=path/to/model_after_rlhf}"
: "${schedule:=}"

# PairRM or its port PairRM-hf: a folder or a hub id. A folder of the former needs the folder of the model that it was
# trained from too, microsoft/deberta-v3-large, unless the hub's cache has it.
: "${pairrm_path:=llm-blender/PairRM}"
: "${pairrm_base_path:=}"
# Prompts with replies to compare with, and whose of them.
: "${references_path:=data/alpaca_eval/alpaca_eval.json}"
: "${reference_name=gpt4_1106_preview}"
: "${output_dir:=output/eval_pairrm}"
# Name in the file of scores.
: "${task:=alpaca_eval}"

# The paper's values.
: "${temperature:=0.7}"
: "${top_k:=0}"
: "${top_p:=1.0}"
: "${max_new_tokens:=300}"
# Replies at a time on each GPU in sampling, where another number draws other replies; pairs at a time.
: "${sample_batch:=64}"
: "${batch_size:=4}"
: "${seed:=0}"

# GPUs to share the work, such as 0,1,2,3; empty for one process.
: "${gpu_ids:=}"
# What the run prints goes to this name with .log and .err added.
: "${log_path:=output/logs/run_pairrm}"

activate_environment
run_logged "$log_path" evaluate "$model_path" "$model_path0" "$model_path1" "$schedule" "$gpu_ids" ama.evaluate_pairrm \
  --references "$references_path" ${reference_name:+--reference_name "$reference_name"} --pairrm "$pairrm_path" \
  ${pairrm_base_path:+--pairrm_base "$pairrm_base_path"} --task "$task" --scores "${output_dir}/scores.jsonl" \
  --temperature "$temperature" --top_k "$top_k" --top_p "$top_p" --max_new_tokens "$max_new_tokens" \
  --sample_batch "$sample_batch" --batch_size "$batch_size" --seed "$seed" "$@"
