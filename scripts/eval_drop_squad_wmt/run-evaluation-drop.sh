#!/usr/bin/env bash
# Reading: accuracy on DROP, OpenCompass's drop_gen. Edit the variables, or set them in the environment; further arguments
# go to `python -m ama.evaluate_opencompass` (see its --help):
#
#   model_path=models/rlhf bash scripts/eval_drop_squad_wmt/run-evaluation-drop.sh --limit 200
source "$(dirname "${BASH_SOURCE[0]}")/../lib/common.sh"
source "${repo_root}/scripts/lib/evaluate.sh"

# One model or several, parted by spaces: folders, hub ids, LoRA adapters.
: "${model_path=path/to/model}"
# The folder that `bash data/download.sh eval` builds.
: "${eval_data:=data/eval}"
# The paper's values: tokens of a prompt, and of a reply.
: "${max_seq_len:=2048}"
: "${max_out_len:=100}"
: "${batch_size:=16}"
: "${output_dir:=output/scores}"

# GPUs, such as 0,1: a process on each; empty for one process on whatever is there.
: "${gpu_ids:=}"
# What the run prints goes to this name with .log and .err added.
: "${log_path:=output/logs/eval_drop}"

activate_environment
evaluate ama.evaluate_opencompass --max_seq_len "$max_seq_len" --max_out_len "$max_out_len" -- "$@"
