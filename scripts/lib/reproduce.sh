# shellcheck shell=bash
# Sourced after common.sh by the recipes of whole experiments: their stages, in order, each skipped if it is done.
# The variables are those at the top of these recipes.
set -euo pipefail

experiment_plan=""
experiment_results=""
averaged=()

# begin ARGUMENTS...: read the recipe's arguments and check its settings.
begin() {
  local argument source
  for argument in "$@"; do
    [[ "$argument" == --dry_run ]] || die "unknown argument '${argument}': give --dry_run or --help; settings are variables"
    dry_run=true
  done
  for argument in output data_dir; do
    [[ "${!argument}" != *[[:space:]]* ]] || die "${argument} '${!argument}': give a folder without spaces in its name"
  done
  [[ "${num_gpus?}" =~ ^[1-9][0-9]*$ ]] || die "num_gpus is '${num_gpus}': give the number of processes on a machine"
  for source in HH_RLHF_SOURCE EVAL_SOURCE ALPACA_EVAL_SOURCE; do
    [[ -z "${!source:-}" ]] || need_path "$source" "${!source}" "unset it to download"
  done
  activate_environment
  local ratio_words schedules
  read -ra ratio_words <<<"${alpha?} ${ratios?} ${mask_means?}"
  read -ra schedules <<<"${part_wise?}"
  plan_experiment --ratios "${ratio_words[@]}" --part_wise "${schedules[@]}"
}

# plan_experiment ARGUMENTS...: ama's command for the recipe's model.
plan_experiment() {
  local size
  read -ra size <<<"${model_size?}"
  ((${#size[@]} == 5)) || die "model_size '${model_size}': give parameters, layers, width, vocabulary and width of keys"
  python -m ama.plan_experiment --params "${size[0]}" --layers "${size[1]}" --hidden "${size[2]}" --vocab "${size[3]}" \
    --key_width "${size[4]}" "$@"
}

# need_path VARIABLE PATH REMEDY: what has to be there before anything is run.
need_path() {
  [[ -e "$2" ]] || die "$1 '$2' is missing: $3"
}

# stage NAME RESULT [VARIABLE=VALUE ...] RECIPE-OR-PROGRAM ARGUMENTS...: run one stage unless its result is there; in a
# dry run print it. Variables that are not given have the recipe's defaults, whatever the environment says.
stage() {
  local name="$1" result="$2" settings=() clean=() command=() record text resolved variable
  record="${output?}/stages/${name}"
  shift 2
  while [[ "$1" =~ ^[a-z_0-9]+= ]]; do
    settings+=("$1")
    shift
  done
  command=("$@")
  if [[ "$1" == *.sh ]]; then
    while read -r variable; do
      clean+=(-u "$variable")
    done < <(variables_of "${repo_root:?source common.sh first}/$1")
    [[ "$1" != scripts/* ]] || settings+=("log_path=${output}/logs/${name}")
    command=(env "${clean[@]}" "${settings[@]}" bash "${repo_root}/$1" "${@:2}")
    set -- bash "$@"
  fi
  experiment_results+="  ${name}: ${result}"$'\n'
  text="$(quoted "${settings[@]}" "$@")"
  if [[ "${dry_run:-}" == true ]]; then
    resolved="$text"
    [[ "$1" != bash ]] || resolved="$(dry_run=true "${command[@]}")"
    experiment_plan+="${name}=${resolved}"$'\n'
    printf '== %s: %s\n%s\n' "$name" "$result" "$text"
    [[ "$resolved" == "$text" ]] || printf '  %s\n' "$resolved"
    return
  fi
  if [[ -e "$result" && -f "$record" && "$(cat "$record")" == "$text" ]]; then
    printf '== %s is done: %s\n' "$name" "$result"
    return
  fi
  # Scores and reports grow by what is missing; all else appears when it is whole, and belongs to its settings.
  if [[ -e "$result" && "$result" != *.jsonl && "$result" != *.html && "$result" != "$record" ]]; then
    [[ ! -f "$record" ]] ||
      die "${result} was made with other settings, which ${record} tells: choose another output, or remove both"
    printf '== %s is there already: %s\n' "$name" "$result"
  else
    printf '== %s: %s\n' "$name" "$result"
    if [[ "${settings[*]}" == *log_path=* ]]; then
      "${command[@]}"
    else
      run_logged "${output}/logs/${name}" "${command[@]}"
    fi
  fi
  mkdir -p "${output}/stages"
  printf '%s\n' "$text" >"$record"
}

# end: where all lies, or in a dry run what it would need.
end() {
  if [[ "${dry_run:-}" == true ]]; then
    plan_experiment --stages - <<<"$experiment_plan"
    return
  fi
  python -m ama.show_scores "${output}/scores/scores.jsonl"
  printf 'Results:\n%sLogs: %s\n' "$experiment_results" "${output}/logs"
}

# data_sets NAME...: download or copy data sets.
data_sets() {
  local name further
  for name in "$@"; do
    further=()
    [[ "$name" != hh_rlhf ]] || read -ra further <<<"${hh_arguments?}"
    stage "data_${name}" "${data_dir?}/${name}/manifest.json" data_dir="$data_dir" data/download.sh "$name" "${further[@]}"
  done
}

# fetch_model NAME MODEL OPTIONS...: download a model unless it is a folder, and set NAME to its folder.
fetch_model() {
  local name="$1" model="$2"
  printf -v "$name" '%s' "$model"
  [[ ! -d "$model" ]] || return 0
  # A path such as models/sft would be a hub id as well.
  [[ "$model" =~ ^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$ && ! -d "${model%%/*}" ]] ||
    die "${name} '${model}' is missing: give a checkpoint folder or a hub id"
  printf -v "$name" '%s' "${output}/models/${model##*/}"
  # What is there of a download that was cut short says nothing; only the record does.
  stage "fetch_${name}" "${output}/stages/fetch_${name}" hf download "$model" --local-dir "${!name}" "${@:3}"
}

# machines ARGUMENTS: set machine to the variables of a recipe that trains, and training to the words of ARGUMENTS.
machines() {
  machine=(num_gpus="$num_gpus" hostfile="${hostfile?}" zero_stage="${zero_stage?}")
  read -ra training <<<"$1"
}

# sft NAME MODEL DATA LR EPOCHS BATCH: fine-tune on dialogues; the result is output/NAME.
sft() {
  local machine training
  machines "${train_arguments?}"
  stage "$1" "${output}/$1" "${machine[@]}" model_path="$2" dataset_path="$3" output_dir="${output}/$1" lr="$4" \
    epochs="$5" batch="$6" block_size="${block_size?}" scripts/rlhf/run_sft.sh "${training[@]}" "${@:7}"
}

# reward_model MODEL: train output/reward_model.
reward_model() {
  local machine training
  machines "${train_arguments?}"
  stage reward_model "${output}/reward_model" "${machine[@]}" model_path="$1" dataset_path="${data_dir}/hh_rlhf/rm/train" \
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
  local name="$1" before="$2" after="$3" dataset="$4" lr="$5" mean folder word merged pair mask_words
  masks=""
  pair=(model_path0="$before" model_path1="$after")
  read -ra mask_words <<<"${mask_arguments?}"
  for mean in $mask_means; do
    folder="${output}/masks_${name}_${mean}"
    masks+="${masks:+ }${folder}@${mean}"
    stage "masks_${name}_${mean}" "${folder}/mask_alphas.bin" model_path0="$before" model_path="$after" \
      dataset_path="$dataset" output_dir="$folder" init_val="$mean" lr="$lr" num_gpus="$num_gpus" hostfile="$hostfile" \
      zero_stage="${mask_zero_stage?}" scripts/mask_post/run_mask_finetune_raft.sh "${mask_words[@]}"
  done
  merged="${output}/averages/pma_${alpha}_before_${name}"
  stage "ma_${name}" "$merged" "${pair[@]}" alpha="$alpha" weight_ensamble_save_path="$merged" \
    scripts/postprocess/weight_interpolation.sh
  averaged+=("$merged")
  word="${part_wise%% *}"
  if [[ -n "$word" ]]; then
    merged="${output}/averages/pma_${word##*@}_before_${word%@*}_${name}"
    stage "part_wise_${name}" "$merged" "${pair[@]}" alpha="${word##*@}" weight_ensamble_save_path="$merged" \
      scripts/postprocess/weight_interpolation.sh
    averaged+=("$merged")
  fi
  merged="${output}/averages/ama_${alpha}_before_${name}"
  stage "ama_${name}" "$merged" "${pair[@]}" alphas_path="${output}/masks_${name}_${mask_means%% *}" \
    weight_ensamble_save_path="$merged" scripts/postprocess/weight_mask_merge.sh --alpha "$alpha"
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
  stage "front_$1" "${folder}/report.html" model_path0="$2" model_path1="$3" output_dir="$folder" ratios="$ratios" \
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
