# shellcheck shell=bash
# Sourced by reproduce.sh: what the experiments are made of, each a recipe or several with the experiment's settings.
set -euo pipefail

# Checkpoints of averages, for measure.
averaged=()

# machines ARGUMENTS: set machine to the variables of a recipe that trains, and training to the words of ARGUMENTS.
machines() {
  machine=(num_gpus="${num_gpus?}" hostfile="${hostfile?}" zero_stage="${zero_stage?}")
  read -ra training <<<"$1"
}

# sft NAME MODEL DATA LR EPOCHS BATCH: fine-tune on dialogues; the result is output/NAME.
sft() {
  local machine training
  machines "${train_arguments?}"
  stage "$1" "${output?}/$1" "${machine[@]}" model_path="$2" dataset_path="$3" output_dir="${output}/$1" lr="$4" \
    epochs="$5" batch="$6" block_size="${block_size?}" scripts/rlhf/run_sft.sh "${training[@]}" "${@:7}"
}

# reward_model MODEL: train output/reward_model.
reward_model() {
  local machine training
  machines "${train_arguments?}"
  stage reward_model "${output}/reward_model" "${machine[@]}" model_path="$1" dataset_path="${data_dir?}/hh_rlhf/rm/train" \
    eval_path="${data_dir}/hh_rlhf/rm/held_out" output_dir="${output}/reward_model" lr="${reward_lr?}" \
    batch="${reward_batch?}" max_length="${pair_length?}" scripts/rlhf/run_reward_modeling.sh "${training[@]}"
}

# align_by METHOD: the model after RLHF by raft, dpo or ppo, and its collected samples; set after and collected.
align_by() {
  local method="$1" machine training folder="${output}/$1" before="${output}/before"
  local prompts="${data_dir}/hh_rlhf/rlhf/rlhf_prompt" reward="${output}/reward_model"
  after="$folder"
  collected="${output}/collected_${method}.json"
  case "$method" in
    raft)
      local last
      machines "${raft_arguments?}"
      last="${folder}/iteration_$(printf '%02d' "${raft_iterations?}")"
      after="${last}/model"
      collected="${last}/collected.json"
      stage raft "$collected" "${machine[@]}" model_path="$before" reward_model_path="$reward" dataset_path="$prompts" \
        output_dir="$folder" iterations="$raft_iterations" prompts="${raft_prompts?}" samples="${raft_samples?}" \
        max_new_tokens="${max_new_tokens?}" lr="${raft_lr?}" epochs="${raft_epochs?}" batch="${rlhf_batch?}" \
        scripts/rlhf/run_raft_align.sh "${training[@]}"
      return
      ;;
    dpo)
      machines "$train_arguments"
      stage dpo "$folder" "${machine[@]}" model_path="$before" dataset_path="${data_dir}/hh_rlhf/rm/train/train.json" \
        output_dir="$folder" beta="${dpo_beta?}" lr="${dpo_lr?}" batch="$rlhf_batch" max_length="$pair_length" \
        scripts/rlhf/run_dpo.sh "${training[@]}"
      ;;
    ppo)
      machines "${ppo_arguments?}"
      stage ppo "$folder" "${machine[@]}" model_path="$before" reward_model_path="$reward" dataset_path="$prompts" \
        output_dir="$folder" rollouts="${ppo_rollouts?}" rounds="${ppo_rounds?}" kl_coef="${ppo_kl?}" \
        max_new_tokens="$max_new_tokens" lr="${ppo_lr?}" batch="$rlhf_batch" scripts/rlhf/run_ppo.sh "${training[@]}"
      ;;
    *) die "methods: '${method}' is unknown: give raft, dpo, ppo" ;;
  esac
  collect_samples "$method" "$after" "$reward"
}

# collect_samples NAME MODEL REWARD_MODEL: samples of a model for its ratios, the best by a reward model if one is given.
collect_samples() {
  stage "collected_$1" "${output}/collected_$1.json" python -m ama.collect_samples --model "$2" \
    --prompts "${data_dir}/hh_rlhf/rlhf/rlhf_prompt" --limit "${collect_prompts?}" \
    --max_new_tokens "${max_new_tokens?}" --out "${output}/collected_$1.json" ${3:+--reward_model "$3"}
}

# average NAME BEFORE AFTER COLLECTED LR: learned ratios at every mean, and the checkpoints of alpha: plain, by the first
# part-wise schedule, and by the ratios learned at alpha. Set masks to FOLDER@MEAN words.
average() {
  local name="$1" before="$2" after="$3" dataset="$4" lr="$5" mean folder merged pair mask_words
  masks=""
  pair=(model_path0="$before" model_path1="$after")
  read -ra mask_words <<<"${mask_arguments?}"
  for mean in ${mask_means?}; do
    folder="${output}/masks_${name}_${mean}"
    masks+="${masks:+ }${folder}@${mean}"
    stage "masks_${name}_${mean}" "${folder}/mask_alphas.bin" model_path0="$before" model_path="$after" \
      dataset_path="$dataset" output_dir="$folder" init_val="$mean" lr="$lr" num_gpus="$num_gpus" hostfile="$hostfile" \
      zero_stage="${mask_zero_stage?}" scripts/mask_post/run_mask_finetune_raft.sh "${mask_words[@]}"
  done
  merged="${output}/averages/pma_${alpha?}_before_${name}"
  stage "ma_${name}" "$merged" "${pair[@]}" alpha="$alpha" weight_ensamble_save_path="$merged" \
    scripts/postprocess/weight_interpolation.sh
  averaged+=("$merged")
  if [[ -n "${part_wise?}" ]]; then
    # The save name says it all, the ratio behind the @ too.
    merged="${output}/averages/pma_before_${part_wise%% *}_${name}"
    stage "part_wise_${name}" "$merged" "${pair[@]}" alpha="" weight_ensamble_save_path="$merged" \
      scripts/postprocess/weight_interpolation.sh
    averaged+=("$merged")
  fi
  merged="${output}/averages/ama_${alpha}_before_${name}"
  stage "ama_${name}" "$merged" "${pair[@]}" alphas_path="${output}/masks_${name}_${mask_means%% *}" \
    weight_ensamble_save_path="$merged" scripts/postprocess/weight_mask_merge.sh --mean_ratio "$alpha"
  averaged+=("$merged")
}

# measure MODEL...: all evaluations of checkpoints, into output/scores/scores.jsonl.
measure() {
  local models="$*" gpus="" scores="${output}/scores" folder="${data_dir}/eval" shared further=()
  ((num_gpus == 1)) || gpus="$(seq -s , 0 $((num_gpus - 1)))"
  shared=(model_path="$models" output_dir="$scores" gpu_ids="$gpus")
  [[ -z "${limit?}" ]] || further=(--limit "$limit")
  if [[ -n "${common_sense?}" ]]; then
    stage eval_common_sense "${scores}/scores.jsonl" "${shared[@]}" eval_data="$folder" tasks="$common_sense" \
      batch_size="${eval_batch?}" scripts/eval_cs_qa/run_evaluation.sh "${further[@]}"
  fi
  local recipe
  for recipe in ${other_evaluations?}; do
    stage "eval_${recipe}" "${scores}/scores.jsonl" "${shared[@]}" eval_data="$folder" batch_size="$eval_batch" \
      "scripts/eval_drop_squad_wmt/run-evaluation-${recipe}.sh" "${further[@]}"
  done
  if [[ -n "${reward_path?}" ]]; then
    stage eval_reward "${scores}/scores.jsonl" "${shared[@]}" reward_model_path="$reward_path" \
      dataset_path="${data_dir}/hh_rlhf/rlhf/rlhf_eval" max_new_tokens="${eval_new_tokens?}" \
      scripts/eval_raft/run_eval_raft_align.sh --limit "${reward_prompts?}"
  fi
  if [[ -n "${pairrm_path?}" ]]; then
    stage eval_pairrm "${scores}/scores.jsonl" "${shared[@]}" pairrm_path="$pairrm_path" \
      references_path="${data_dir}/alpaca_eval/alpaca_eval.json" reference_name="${reference_name?}" \
      max_new_tokens="${pairrm_new_tokens?}" scripts/eval_pairrm/run_pairrm.sh "${further[@]}"
  fi
}

# front NAME BEFORE AFTER MASKS: the reward-tax front between two models, with its report.
front() {
  local folder="${output}/front_$1" tasks="$common_sense" drop=false references=""
  [[ " $other_evaluations " != *" squad "* ]] || tasks+=" squadv2"
  [[ " $other_evaluations " != *" wmt "* ]] || tasks+=" wmt14-fr-en"
  [[ " $other_evaluations " != *" drop "* ]] || drop=true
  [[ -z "$pairrm_path" ]] || references="${data_dir}/alpaca_eval/alpaca_eval.json"
  stage "front_$1" "${folder}/report.html" model_path0="$2" model_path1="$3" output_dir="$folder" ratios="${ratios?}" \
    part_wise="$part_wise" masks="$4" tasks="$tasks" drop="$drop" eval_data="${data_dir}/eval" \
    reward_model_path="$reward_path" dataset_path="${data_dir}/hh_rlhf/rlhf/rlhf_eval" \
    max_new_tokens="$eval_new_tokens" pairrm_path="$pairrm_path" references="$references" reference_name="$reference_name" \
    pairrm_new_tokens="$pairrm_new_tokens" limit="$limit" batch_size="$eval_batch" num_gpus="$num_gpus" scripts/pareto/run_pareto.sh
}

# align_and_compare: for each of methods the model after RLHF and its averages; then all evaluations, and the fronts.
align_and_compare() {
  local method lr models=("${output}/before") names=() pairs=() number
  for method in ${methods?}; do
    align_by "$method"
    lr="mask_lr_${method}"
    average "$method" "${output}/before" "$after" "$collected" "${!lr}"
    models+=("$after")
    names+=("$method")
    pairs+=("$masks")
  done
  measure "${models[@]}" "${averaged[@]}"
  for number in "${!names[@]}"; do
    front "${names[number]}" "${output}/before" "${models[number + 1]}" "${pairs[number]}"
  done
}
