#!/usr/bin/env bash
# The paper's main experiment, OpenLLaMA-3B on HH-RLHF: data, SFT, reward model, RLHF by RSF (RAFT), DPO and PPO, learned
# ratios, averages, all evaluations and the reward-tax front of each. Edit the variables, or set them in the environment:
#
#   bash scripts/reproduce/openllama_3b.sh --dry_run
#   methods=raft num_gpus=2 bash scripts/reproduce/openllama_3b.sh
#
# --dry_run prints every command, and the memory and disk that each stage needs. Run again, it goes on where it stopped.
source "$(dirname "${BASH_SOURCE[0]}")/../lib/common.sh"
source "${repo_root}/scripts/lib/reproduce.sh"

: "${output:=output/openllama_3b}"
# Data sets land here; HH_RLHF_SOURCE and EVAL_SOURCE name local copies.
: "${data_dir:=data}"
# Further arguments of HH-RLHF's preparation: --train_share 0.8 where the local copy has test rows only.
: "${hh_arguments:=}"

# A checkpoint folder or a hub id, and its sizes: parameters, layers, width, vocabulary, width of keys.
: "${base_model:=openlm-research/open_llama_3b}"
: "${model_size:=3.43e9 26 3200 32000 3200}"
# ShareGPT as LMFlow JSON, for instructions in general; empty for a base model that follows them already.
: "${general_data=data/sharegpt}"
# Methods of RLHF: raft, dpo, ppo.
: "${methods:=raft dpo ppo}"

# SFT. Tokens of a block; ShareGPT, then the preferred replies of HH-RLHF, which gives the model before RLHF.
: "${block_size:=2048}"
: "${general_lr:=1e-5}"
: "${general_batch:=128}"
: "${sft_lr:=1e-5}"
: "${sft_batch:=12}"
# The reward model: two epochs of SFT of its own, then pairs of up to pair_length tokens.
: "${reward_sft_lr:=2e-5}"
: "${reward_sft_epochs:=2}"
: "${reward_lr:=5e-6}"
: "${reward_batch:=16}"
: "${pair_length:=512}"

# RLHF. Tokens of a sampled reply; examples in a step.
: "${max_new_tokens:=128}"
: "${rlhf_batch:=32}"
: "${raft_iterations:=10}"
: "${raft_prompts:=2048}"
: "${raft_samples:=32}"
: "${raft_lr:=1e-5}"
: "${raft_epochs:=2}"
# The paper also tried a dpo_beta of 0.3 and 0.5, and a ppo_kl of 0.1 and 0.2.
: "${dpo_beta:=0.1}"
: "${dpo_lr:=1e-6}"
: "${ppo_kl:=0.05}"
: "${ppo_lr:=1e-6}"
: "${ppo_rollouts:=512}"
: "${ppo_rounds:=100}"
# Prompts to sample to from the models of DPO and PPO; the best of the samples train the ratios.
: "${collect_prompts:=20000}"

# merged = ratio * before + (1 - ratio) * after. The mean at which averages are written as checkpoints.
: "${alpha:=0.2}"
: "${ratios:=0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9}"
# TAG@RATIO, the head and the final norm take RATIO: the input, middle or output third alone, and the paper's patterns.
: "${part_wise=split|7#15|0.4|0|0@0 split|7#15|0|0.4|0@0 split|7#15|0|0|0.4@0.4 split|7#15|0.3|0.3|0.2@0.3 split|7#15|0.3|0.2|0.2@0.3}"
# Means of learned ratios, the first of which is alpha's; and the learning rates of the ratios.
: "${mask_means:=0.2 0.1 0.3 0.4 0.5 0.6}"
: "${mask_lr_raft:=2e-5}"
: "${mask_lr_dpo:=4e-5}"
: "${mask_lr_ppo:=4e-5}"

# Evaluation: lm-eval's tasks of common sense; of squad, wmt and drop, what is wanted; prompts whose replies are judged.
: "${common_sense=arc_easy arc_challenge race piqa boolq}"
: "${other_evaluations=squad drop wmt}"
: "${reward_prompts:=2000}"
: "${eval_new_tokens:=196}"
: "${eval_batch:=16}"
# Items of each task; empty for all.
: "${limit:=}"

# The number has to divide every batch above. DeepSpeed hostfile for several machines; ZeRO stage, empty for none.
: "${num_gpus:=4}"
: "${hostfile:=}"
: "${zero_stage=3}"
: "${mask_zero_stage:=}"
# Further arguments of SFT, reward model and DPO; of RAFT, PPO and the ratios.
: "${train_arguments:=--bf16 --gradient_checkpointing --micro_batch 1}"
: "${raft_arguments:=--bf16 --gradient_checkpointing --micro_batch 1}"
: "${ppo_arguments:=--bf16 --gradient_checkpointing}"
: "${mask_arguments:=--bf16 --gradient_checkpointing}"

reward_path="${output}/reward_model" pairrm_path="" pairrm_new_tokens="" reference_name=""
begin "$@"
[[ -z "$general_data" ]] || need_path general_data "$general_data" "give LMFlow JSON of ShareGPT, or set it empty"
data_sets hh_rlhf eval
fetch_model base "$base_model"
[[ -z "$general_data" ]] || sft general "$base" "$general_data" "$general_lr" 1 "$general_batch"
[[ -z "$general_data" ]] || base="${output}/general"
sft before "$base" "${data_dir}/hh_rlhf/sft" "$sft_lr" 1 "$sft_batch"
sft reward_sft "$base" "${data_dir}/hh_rlhf/sft" "$reward_sft_lr" "$reward_sft_epochs" "$sft_batch"
reward_model "${output}/reward_sft"
align_and_compare
end
