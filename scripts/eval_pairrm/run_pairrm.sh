#!/usr/bin/env bash
# PairRM: how often it prefers the replies of models to reference replies. Edit the variables, or set them in the
# environment; further arguments go to `python -m ama.evaluate_pairrm` (see its --help):
#
#   model_path='models/sft models/rlhf' pairrm_path=models/PairRM-hf bash scripts/eval_pairrm/run_pairrm.sh --limit 100
#   model_path='' bash scripts/eval_pairrm/run_pairrm.sh --before models/sft --after models/rlhf --schedule 0.2 0.4
#
# `bash data/download.sh alpaca_eval` makes the references. The paper's other variant asks 2000 HH prompts:
#
#   references_path=output/other_replies.json reference_name='' task=hh_rlhf top_k=50 top_p=0.95 max_new_tokens=256 \
#     bash scripts/eval_pairrm/run_pairrm.sh --prompts data/hh_rlhf/rlhf/rlhf_eval --limit 2000
#
# Pairs with PairRM's logits go to replies in output_dir.
source "$(dirname "${BASH_SOURCE[0]}")/../lib/common.sh"
source "${repo_root}/scripts/lib/evaluate.sh"

# One model or several, parted by spaces: folders, hub ids, LoRA adapters.
: "${model_path=path/to/model}"
# PairRM or its port PairRM-hf: a folder or a hub id. A folder of the former needs the folder of the model that it was
# trained from too, microsoft/deberta-v3-large, unless the hub's cache has it.
: "${pairrm_path:=llm-blender/PairRM}"
: "${pairrm_base_path:=}"
# Prompts with replies to compare with, and whose of them.
: "${references_path:=data/alpaca_eval/alpaca_eval.json}"
: "${reference_name=gpt4_1106_preview}"
# Name in the file of scores.
: "${task:=alpaca_eval}"
: "${output_dir:=output/scores}"

# The paper's values.
: "${temperature:=0.7}"
: "${top_k:=0}"
: "${top_p:=1.0}"
: "${max_new_tokens:=300}"
# Replies at a time on each GPU in sampling, where another number draws other replies; pairs at a time.
: "${sample_batch:=64}"
: "${batch_size:=4}"

# GPUs, such as 0,1: a process on each; empty for one process on whatever is there.
: "${gpu_ids:=}"
# What the run prints goes to this name with .log and .err added.
: "${log_path:=output/logs/eval_pairrm}"

activate_environment
# Of the other evaluations; no set of theirs is read here.
unset eval_data
evaluate ama.evaluate_pairrm --references "$references_path" ${reference_name:+--reference_name "$reference_name"} \
  --pairrm "$pairrm_path" ${pairrm_base_path:+--pairrm_base "$pairrm_base_path"} --task "$task" \
  --temperature "$temperature" --top_k "$top_k" --top_p "$top_p" --max_new_tokens "$max_new_tokens" \
  --sample_batch "$sample_batch" -- "$@"
