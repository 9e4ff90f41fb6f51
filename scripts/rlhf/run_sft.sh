#!/usr/bin/env bash
# Fine-tune a model on the preferred replies of HH-RLHF: the model before RLHF. Edit the variables, or set them in the
# environment; further arguments go to `python -m ama.train_sft` (see its --help):
#
#   model_path=models/base lr=2e-5 bash scripts/rlhf/run_sft.sh --bf16
source "$(dirname "${BASH_SOURCE[0]}")/../lib/common.sh"
source "${repo_root}/scripts/lib/launch.sh"

# The model to start from, a checkpoint folder.
: "${model_path:=path/to/base_model}"
# LMFlow JSON of dialogues: a file, or a folder of them.
: "${dataset_path:=data/hh_rlhf/sft}"
: "${output_dir:=output/sft}"

# The paper's values. batch counts blocks of block_size tokens over all processes.
: "${lr:=1e-5}"
: "${epochs:=1}"
: "${batch:=12}"
: "${block_size:=2048}"
# Rank of low-rank adapters to train in place of the weights; empty to train all. They are merged at the end.
: "${lora_r:=}"

# Processes on a machine: GPUs, or shares of a CPU.
: "${num_gpus:=1}"
# DeepSpeed hostfile for several machines; empty for this one.
: "${hostfile:=}"
# ZeRO stage to run under DeepSpeed on one machine too; with a hostfile it is 2 unless set.
: "${zero_stage:=}"
# What the run prints goes to this name with .log and .err added.
: "${log_path:=output/logs/run_sft}"

activate_environment
run_logged "$log_path" launch "$num_gpus" "$hostfile" "$zero_stage" -m ama.train_sft \
  --model "$model_path" --data "$dataset_path" --out "$output_dir" --lr "$lr" --epochs "$epochs" --batch "$batch" \
  --block_size "$block_size" --pack ${lora_r:+--lora_r "$lora_r"} "$@"
