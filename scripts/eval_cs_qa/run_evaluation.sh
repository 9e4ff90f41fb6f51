#!/usr/bin/env bash
# Common sense: accuracy on lm-eval's stock tasks. Edit the variables, or set them in the environment; further arguments
# go to `python -m ama.evaluate_harness` (see its --help):
#
#   model_path='models/sft models/rlhf' bash scripts/eval_cs_qa/run_evaluation.sh --limit 200
#   model_path='' bash scripts/eval_cs_qa/run_evaluation.sh --before models/sft --after models/rlhf --schedule 0.2 0.4
source "$(dirname "${BASH_SOURCE[0]}")/../lib/common.sh"
source "${repo_root}/scripts/lib/evaluate.sh"

# One model or several, parted by spaces: folders, hub ids, LoRA adapters.
: "${model_path=path/to/model}"
: "${tasks:=arc_easy arc_challenge race boolq piqa}"
# The folder that `bash data/download.sh eval` builds; empty to fetch the sets as they are needed.
: "${eval_data=data/eval}"
# The paper's value; auto: the largest that fits.
: "${batch_size:=16}"
: "${output_dir:=output/scores}"

# GPUs, such as 0,1: a process on each; empty for one process on whatever is there.
: "${gpu_ids:=}"
# What the run prints goes to this name with .log and .err added.
: "${log_path:=output/logs/eval_cs_qa}"

activate_environment
read -ra names <<<"$tasks"
evaluate ama.evaluate_harness --tasks "${names[@]}" -- "$@"
