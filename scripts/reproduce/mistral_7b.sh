#!/usr/bin/env bash
# The paper's experiment on models that others trained: Mistral-7B-SFT-beta (before) and Zephyr-7B-beta (after), with
# PairRM's win rate against GPT-4's replies as the reward. Edit the variables, or set them in the environment:
#
#   bash scripts/reproduce/mistral_7b.sh --dry_run
#   before=models/sft after=models/rlhf num_gpus=8 bash scripts/reproduce/mistral_7b.sh
#
# --dry_run prints every command, and the memory and disk that each stage needs. Run again, it goes on where it stopped.
source "$(dirname "${BASH_SOURCE[0]}")/../lib/common.sh"
source "${repo_root}/scripts/lib/reproduce.sh"

: "${output:=output/mistral_7b}"
# Data sets land here; HH_RLHF_SOURCE, EVAL_SOURCE and ALPACA_EVAL_SOURCE name local copies.
: "${data_dir:=data}"
# Further arguments of HH-RLHF's preparation: --train_share 0.8 where the local copy has test rows only.
: "${hh_arguments:=}"

# Checkpoint folders or hub ids, and their sizes: parameters, layers, width, vocabulary, width of keys.
: "${before:=HuggingFaceH4/mistral-7b-sft-beta}"
: "${after:=HuggingFaceH4/zephyr-7b-beta}"
: "${model_size:=7.24e9 32 4096 32000 1024}"

# Samples of the model after RLHF, which train the ratios: prompts of HH-RLHF, and tokens of a reply. With a reward model
# (a folder) the best by it are taken, and it is a measure, too.
: "${collect_prompts:=2000}"
: "${max_new_tokens:=128}"
: "${reward_path:=}"

# merged = ratio * before + (1 - ratio) * after. The mean at which averages are written as checkpoints.
: "${alpha:=0.2}"
: "${ratios:=0.2 0.4 0.6 0.8}"
# TAG@RATIO, the head and the final norm take RATIO: the input, middle or output third alone, and the paper's patterns.
: "${part_wise=split|10#20|0.4|0|0@0 split|10#20|0|0.4|0@0 split|10#20|0|0|0.4@0.4 split|10#20|0.3|0.3|0.2@0.3 split|10#20|0.3|0.2|0.2@0.3}"
# Means of learned ratios, the first of which is alpha's, and their learning rate.
: "${mask_means:=0.2 0.4 0.6}"
: "${mask_lr:=4e-5}"

# Evaluation: lm-eval's tasks of common sense; of squad, wmt and drop, what is wanted.
: "${common_sense=arc_easy arc_challenge race piqa boolq}"
: "${other_evaluations=squad drop wmt}"
# PairRM, and whose replies AlpacaEval's prompts have been given; tokens of a reply.
: "${pairrm_path:=llm-blender/PairRM-hf}"
: "${reference_name=gpt4_1106_preview}"
: "${pairrm_new_tokens:=300}"
# For a reward model: prompts, and tokens of a reply.
: "${reward_prompts:=2000}"
: "${eval_new_tokens:=196}"
: "${eval_batch:=16}"
# Items of each task; empty for all.
: "${limit:=}"

: "${num_gpus:=8}"
# DeepSpeed hostfile for several machines; ZeRO stage of the ratios, 3 where two 7B models are too much for one GPU.
: "${hostfile:=}"
: "${mask_zero_stage:=}"
# Further arguments of the ratios.
: "${mask_arguments:=--bf16 --gradient_checkpointing}"

begin "$@"
data_sets hh_rlhf eval alpaca_eval
fetch_model before "$before" --exclude 'pytorch_model*'
fetch_model after "$after" --exclude 'pytorch_model*'
collect_samples zephyr "$after" "$reward_path"
average zephyr "$before" "$after" "${output}/collected_zephyr.json" "$mask_lr"
measure "$before" "$after" "${averaged[@]}"
front zephyr "$before" "$after" "$masks"
end
