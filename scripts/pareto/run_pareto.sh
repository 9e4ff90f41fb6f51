#!/usr/bin/env bash
# The reward-tax front: reward and skills of two models and of averages of them, which are made in memory. Edit the
# variables, or set them in the environment; further arguments go to `python -m ama.pareto` (see its --help), such as
# --curve NAME SCHEDULE... for another method:
#
#   model_path0=models/sft model_path1=models/rlhf reward_model_path=models/reward bash scripts/pareto/run_pareto.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib/common.sh"
source "${repo_root}/scripts/lib/launch.sh"

# The model before RLHF, and the one after: folders, hub ids; the second may be a LoRA adapter on the first.
: "${model_path0:=path/to/model_before_rlhf}"
: "${model_path1:=path/to/model_after_rlhf}"
# Gets report.html, front.png, front.md and scores.jsonl.
: "${output_dir:=output/front}"

# Plain averaging: weights of the model before RLHF.
: "${ratios=0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9}"
# Part-wise averaging: split tags with the ratio of final norm and head, parted by spaces, such as
# split|10#20|0.66|0.12|0.12@0.3
: "${part_wise=}"
# Learned ratios: folders of mask_alphas.bin, with another mean where you want one, such as output/masks@0.3
: "${masks=}"

# lm-eval's tasks, and whether OpenCompass measures DROP; eval_data is what `bash data/download.sh eval` builds, empty
# to fetch what lm-eval asks for.
: "${tasks=arc_easy arc_challenge race piqa squadv2 wmt14-fr-en}"
: "${drop:=false}"
: "${eval_data=data/eval}"
# The first so many items of each; empty for all.
: "${limit:=}"
: "${batch_size:=16}"
# The reward: its model, and held-out prompts as LMFlow JSON. Empty for none.
: "${reward_model_path=output/reward_model}"
: "${dataset_path:=data/hh_rlhf/rlhf/rlhf_eval}"
: "${max_new_tokens:=196}"
: "${sample_batch:=64}"
# PairRM against the replies of a file, and whose of them, as the reward where there is no reward model. Empty for none.
: "${pairrm_path=}"
: "${references:=data/alpaca_eval/alpaca_eval.json}"
: "${reference_name=gpt4_1106_preview}"
: "${pairrm_new_tokens:=300}"

# Recommend the average of most skill that loses no more than this share of the reward that RLHF has gained.
: "${most_loss:=0.05}"
# Processes that share the averages, one on each GPU.
: "${num_gpus:=1}"
# What the run prints goes to this name with .log and .err added.
: "${log_path:=output/logs/pareto}"

activate_environment
options=()
# add_curve NAME SCHEDULES: a curve if there is a schedule.
add_curve() {
  local schedules
  read -ra schedules <<<"$2"
  if ((${#schedules[@]})); then
    options+=(--curve "$1" "${schedules[@]}")
  fi
}
# add_measure KIND ARGUMENTS...: a measure, its words quoted.
add_measure() {
  options+=(--measure "$(printf '%q ' "$@" ${limit:+--limit "$limit"})")
}

add_curve 'plain averaging' "$ratios"
add_curve 'part-wise averaging' "$part_wise"
add_curve 'learned ratios' "$masks"
if [[ -n "$reward_model_path" ]]; then
  add_measure reward --reward_model "$reward_model_path" --prompts "$dataset_path" \
    --max_new_tokens "$max_new_tokens" --sample_batch "$sample_batch"
fi
if [[ -n "$pairrm_path" ]]; then
  add_measure pairrm --pairrm "$pairrm_path" --references "$references" \
    ${reference_name:+--reference_name "$reference_name"} --max_new_tokens "$pairrm_new_tokens"
fi
read -ra names <<<"$tasks"
if ((${#names[@]})); then
  add_measure harness --tasks "${names[@]}" --batch_size "$batch_size" ${eval_data:+--eval_data "$eval_data"}
fi
if [[ "$drop" == true ]]; then
  add_measure opencompass ${eval_data:+--eval_data "$eval_data"}
fi
run_logged "$log_path" launch "$num_gpus" "" "" -m ama.pareto --before "$model_path0" --after "$model_path1" \
  --out "$output_dir" --most_loss "$most_loss" "${options[@]}" "$@"
