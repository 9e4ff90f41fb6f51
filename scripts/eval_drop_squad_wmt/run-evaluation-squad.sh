#!/usr/bin/env bash
# Reading: exact match and F1 on SQuAD 2.0, lm-eval's stock task. Edit the variables, or set them in the environment;
# further arguments go to `python -m ama.evaluate_harness` (see its --help):
#
#   model_path=models/rlhf bash scripts/eval_drop_squad_wmt/run-evaluation-squad.sh --limit 200 --num_fewshot 1
source "$(dirname "${BASH_SOURCE[0]}")/../lib/common.sh"
source "${repo_root}/scripts/lib/evaluate.sh"

# One model or several, parted by spaces: folders, hub ids, LoRA adapters.
: "${model_path=path/to/model}"
# The folder that `bash data/download.sh eval` builds; empty to fetch the set.
: "${eval_data=data/eval}"
# The paper's value; auto: the largest that fits.
: "${batch_size:=16}"
: "${output_dir:=output/scores}"

# GPUs, such as 0,1: a process on each; empty for one process on whatever is there.
: "${gpu_ids:=}"
# What the run prints goes to this name with .log and .err added.
: "${log_path:=output/logs/eval_squad}"

activate_environment
evaluate ama.evaluate_harness --tasks squadv2 -- "$@"
