#!/usr/bin/env bats
# scripts/reproduce/{openllama_3b,mistral_7b,smollm2_135m}.sh: their stages, in order, with their settings; what is refused.

bats_require_minimum_version 1.5.0

setup() {
  source "${BATS_TEST_DIRNAME}/helpers.bash"
  real_python="$(command -v python)"
  export real_python
  make_repository
  cp -r "${BATS_TEST_DIRNAME}/../../configs" "$repository"
  mkdir "${repository}/data"
  cp "${BATS_TEST_DIRNAME}/../../data/download.sh" "${repository}/data"
  # The plan is the real one. A stage leaves what it is told to write.
  stub "${stubs}/python" <<'STUB'
[[ "$*" == *"import ama"* ]] && exit
[[ "$2" == ama.plan_experiment ]] && exec "$real_python" "$@"
record "$*"
case "$2" in ama.prepare_hh_rlhf | ama.prepare_alpaca_eval | ama.prepare_smollm2) set -- --out "${@:3:1}" ;; esac
while (($#)); do
  case "$1" in
    --out | --output_dir)
      if [[ "$2" == *.json ]]; then
        echo >"$2"
      else
        mkdir -p "$2"/iteration_0{1,4}/model
        touch "$2"/{manifest.json,report.html,mask_alphas.bin,scores.jsonl} "$2"/iteration_0{1,4}/collected.json
      fi
      ;;
    --scores) mkdir -p "$(dirname "$2")" && touch "$2" ;;
  esac
  shift
done
STUB
  stub "${stubs}/hf" <<<'record hf "$*"'
  recipes="${repository}/scripts/reproduce"
  mkdir sharegpt
  export general_data=sharegpt
}

# names: the stages of a dry run, on one line.
names() {
  sed -n 's/^== \([a-z_0-9.]*\): .*/\1/p' <<<"$output" | paste -sd ' '
}

# refused LINE [RECIPE]: the dry run of a recipe ends with this error.
refused() {
  run bash "${recipes}/${2:-openllama_3b}.sh" --dry_run
  echo "$output"
  [ "$status" -eq 2 ]
  [ "${lines[-1]}" = "error: $1" ]
  [ "$(grep -c '^error' <<<"$output")" -eq 1 ]
}

@test "openllama_3b.sh --dry_run: all stages in order, nothing is run" {
  mask_means='0.2 0.4' run bash "${recipes}/openllama_3b.sh" --dry_run
  [ "$status" -eq 0 ]
  each() { echo "masks_$1_0.2 masks_$1_0.4 ma_$1 part_wise_$1 ama_$1"; }
  [ "$(names)" = "data_hh_rlhf data_eval fetch_base general before reward_sft reward_model raft $(each raft) \
dpo collected_dpo $(each dpo) ppo collected_ppo $(each ppo) \
eval_common_sense eval_squad eval_drop eval_wmt eval_reward front_raft front_dpo front_ppo" ]
  [ ! -s "$calls" ]
  [ ! -e output ]
}

@test "openllama_3b.sh --dry_run: the paper's values, resolved commands" {
  run bash "${recipes}/openllama_3b.sh" --dry_run
  o=output/openllama_3b
  grep -F "deepspeed --num_gpus 4 --no_local_rank --module ama.train_sft --model ${o}/general --data data/hh_rlhf/sft \
--out ${o}/before --lr 1e-5 --epochs 1 --batch 12 --block_size 2048 --pack" <<<"$output"
  grep -F -- "--out ${o}/reward_sft --lr 2e-5 --epochs 2 --batch 12" <<<"$output"
  grep -F -- "--model ${o}/reward_sft --data data/hh_rlhf/rm/train --out ${o}/reward_model --lr 5e-6 --epochs 1 --batch 16 \
--max_length 512" <<<"$output"
  grep -F -- "--iterations 10 --prompts_per_iteration 2048 --samples 32 --temperature 1.0 --max_new_tokens 128 --lr 1e-5 \
--epochs 2 --batch 32" <<<"$output"
  grep -F -- "--out ${o}/dpo --beta 0.1 --lr 1e-6 --epochs 1 --batch 32" <<<"$output"
  grep -F -- "--rollouts 512 --rounds 100 --kl_coef 0.05 --temperature 1.0 --max_new_tokens 128 --lr 1e-6" <<<"$output"
  grep -F -- "--data ${o}/raft/iteration_10/collected.json --out ${o}/masks_raft_0.2 \
--approach mask_norm_sigmoid_linear --mask_level block3 --mean_ratio 0.2 --epsilon 0.2 --lr 2e-5" <<<"$output"
  grep -F -- "--out ${o}/masks_dpo_0.6 --approach mask_norm_sigmoid_linear --mask_level block3 --mean_ratio 0.6 \
--epsilon 0.2 --lr 4e-5" <<<"$output"
  grep -F -- "--out '${o}/averages/pma_before_split|7#15|0.4|0|0@0_ppo'" <<<"$output"
  grep -F "part_wise='split|7#15|0.4|0|0@0 split|7#15|0|0.4|0@0 " <<<"$output"
  grep -F "masks='${o}/masks_raft_0.2@0.2 ${o}/masks_raft_0.1@0.1 " <<<"$output"
  grep -F "tasks='arc_easy arc_challenge race piqa boolq squadv2 wmt14-fr-en' drop=true" <<<"$output"
}

@test "a line that a dry run prints runs as it stands" {
  num_gpus=1 zero_stage='' run bash "${recipes}/openllama_3b.sh" --dry_run
  line="$(grep -F 'split|7#15|0.4|0|0@0_raft' <<<"$output" | grep -F 'bash scripts/postprocess' | head -n 1)"
  (cd "$repository" && eval "$line")
  grep -F -- '--out output/openllama_3b/averages/pma_before_split|7#15|0.4|0|0@0_raft' "$calls"
}

@test "--dry_run: needs of every stage, and of all" {
  run bash "${recipes}/openllama_3b.sh" --dry_run
  for stage in $(names) 'largest, and all'; do
    grep -qE "^ +${stage} " <<<"$output"
  done
  # P = 3.43e9 under ZeRO-3 on 4 GPUs: 16 P / 4 of states, activations and 2 GB.
  grep -E '^ +before +4 +1[6-9] ' <<<"$output"
}

@test "mistral_7b.sh --dry_run: given checkpoints, PairRM" {
  run bash "${recipes}/mistral_7b.sh" --dry_run
  [ "$(names)" = "data_hh_rlhf data_eval data_alpaca_eval fetch_before fetch_after collected_zephyr masks_zephyr_0.2 \
masks_zephyr_0.4 masks_zephyr_0.6 ma_zephyr part_wise_zephyr ama_zephyr eval_common_sense eval_squad eval_drop eval_wmt \
eval_pairrm front_zephyr" ]
  grep -F "hf download HuggingFaceH4/zephyr-7b-beta --local-dir output/mistral_7b/models/zephyr-7b-beta" <<<"$output"
  grep -F -- "--before output/mistral_7b/models/mistral-7b-sft-beta --after output/mistral_7b/models/zephyr-7b-beta" <<<"$output"
  grep -F -- "--reference_name gpt4_1106_preview --pairrm llm-blender/PairRM-hf" <<<"$output"
}

@test "smollm2_135m.sh --dry_run: offline, one process, no DeepSpeed" {
  run bash "${recipes}/smollm2_135m.sh" --dry_run
  [[ "$(names)" == "data_hh_rlhf data_eval base_model before reward_model raft "*" front_raft front_dpo" ]]
  grep -F "python -m ama.prepare_smollm2 models/smollm2" <<<"$output"
  run ! grep -E 'deepspeed|torchrun|hf download' <<<"$output"
}

@test "what is set empty is left out" {
  export general_data='' methods=raft zero_stage='' part_wise='' other_evaluations='' mask_means=0.2
  run bash "${recipes}/openllama_3b.sh" --dry_run
  [ "$status" -eq 0 ]
  [ "$(names)" = "data_hh_rlhf data_eval fetch_base before reward_sft reward_model raft masks_raft_0.2 ma_raft ama_raft \
eval_common_sense eval_reward front_raft" ]
  run ! grep deepspeed <<<"$output"
}

@test "data sets from elsewhere, prepared in another way" {
  mkdir hh
  data_dir=d HH_RLHF_SOURCE=hh hh_arguments='--train_share 0.8' run bash "${recipes}/smollm2_135m.sh" --dry_run
  grep -Fx '  python -m ama.prepare_hh_rlhf d/hh_rlhf --train_share 0.8' <<<"$output"
  grep -Fx '  python -m ama.build_eval_data --out d/eval' <<<"$output"
  grep -F -- '--data d/hh_rlhf/sft' <<<"$output"
}

@test "a variable of a recipe that an experiment calls does not leak into it" {
  lr=9 batch=9 iterations=9 run bash "${recipes}/smollm2_135m.sh" --dry_run
  [ "$status" -eq 0 ]
  run ! grep -E -- '(lr|batch|iterations)[ =]9( |$)' <<<"$output"
}

@test "wrong settings: one line each, in the dry run" {
  general_data=gone refused "general_data 'gone' is missing: give LMFlow JSON of ShareGPT, or set it empty"
  HH_RLHF_SOURCE=gone refused "HH_RLHF_SOURCE 'gone' is missing: unset it to download" mistral_7b
  ratios='0.1 1.5' refused "--ratios: ratio 1.5 lies outside [0, 1]: it is the weight of the model before RLHF"
  mask_means=x refused "--ratios: ratio 'x' is no number; give one in [0, 1], such as 0.3"
  part_wise='split|7#25|0|0|0@0' refused "--part_wise 'split|7#25|0|0|0@0': pivot 25 leaves no layer for the last block: the \
model's layers are 0 to 25, so the last pivot may be 24 at most"
  part_wise='split|7|0|0' refused "--part_wise 'split|7|0|0': no ratio given: say --ratio 0.3, the weight of the model before RLHF, or @0.3"
  num_gpus=8 refused "stage before: --batch 12 can't be shared by 8 processes: set num_gpus to a number that divides it"
  num_gpus=none refused "num_gpus is 'none': give the number of processes on a machine"
  zero_stage=1 refused "zero_stage is '1': give 0, 2 or 3, or leave it empty"
  methods=grpo refused "methods: 'grpo' is unknown: give raft, dpo, ppo"
  model_size=3e9 refused "model_size '3e9': give parameters, layers, width, vocabulary and width of keys"
  output='a b' refused "output 'a b': give a folder without spaces in its name"
  mkdir models
  after=models/gone refused "after 'models/gone' is missing: give a checkpoint folder or a hub id" mistral_7b
  run bash "${recipes}/mistral_7b.sh" --lr 3
  [ "$output" = "error: unknown argument '--lr': give --dry_run or --help; settings are variables" ]
}

@test "smollm2_135m.sh: stages run in order, with a log each; a second run does none of them" {
  bash "${recipes}/smollm2_135m.sh" >printed
  diff -u <(sed 's/^-m \(ama[^ ]*\).*/\1/' "$calls" | uniq | paste -sd ' ') - <<<"ama.prepare_hh_rlhf ama.build_eval_data \
ama.prepare_smollm2 ama.train_sft ama.train_reward ama.train_raft ama.optimize_masks ama.interpolate ama.merge_masks \
ama.train_dpo ama.collect_samples ama.optimize_masks ama.interpolate ama.merge_masks ama.evaluate_harness \
ama.evaluate_reward ama.pareto ama.show_scores"
  [ -f output/smollm2_135m/logs/before.log ]
  [ -f output/smollm2_135m/logs/base_model.log ]
  grep -F '  before: output/smollm2_135m/before' printed
  : >"$calls"
  bash "${recipes}/smollm2_135m.sh"
  [ "$(cat "$calls")" = "-m ama.show_scores output/smollm2_135m/scores/scores.jsonl" ]
}

@test "mistral_7b.sh: checkpoints are fetched once, those of a folder not at all" {
  mkdir -p models/sft
  num_gpus=1 mask_means=0.2 before=models/sft bash "${recipes}/mistral_7b.sh"
  [ "$(grep -c '^hf$' "$calls")" -eq 1 ]
  grep -F "download HuggingFaceH4/zephyr-7b-beta --local-dir output/mistral_7b/models/zephyr-7b-beta" "$calls"
  grep -F -- "--before models/sft --after output/mistral_7b/models/zephyr-7b-beta --ratio 0.2" "$calls"
  : >"$calls"
  num_gpus=1 mask_means=0.2 before=models/sft bash "${recipes}/mistral_7b.sh"
  [ "$(cat "$calls")" = "-m ama.show_scores output/mistral_7b/scores/scores.jsonl" ]
}

@test "a result of other settings is an error, scores grow by what is missing, a result without a record is taken" {
  bash "${recipes}/smollm2_135m.sh"
  sft_lr=1 run bash "${recipes}/smollm2_135m.sh"
  [ "$status" -eq 2 ]
  [[ "${lines[-1]}" == "error: output/smollm2_135m/before was made with other settings"* ]]
  rm output/smollm2_135m/stages/reward_model
  : >"$calls"
  common_sense=piqa bash "${recipes}/smollm2_135m.sh"
  grep -F -- '--tasks piqa' "$calls"
  run ! grep -E 'train_|optimize' "$calls"
}

@test "a stage that fails ends the experiment with its status, and is run again" {
  stub "${stubs}/python.real" <"${stubs}/python"
  # shellcheck disable=SC2016
  stub "${stubs}/python" <<<'[[ "$2" != ama.train_reward ]] || { echo "error: no pairs" >&2; exit 2; }; exec python.real "$@"'
  run bash "${recipes}/smollm2_135m.sh"
  [ "$status" -eq 2 ]
  [[ "$output" == *"error: no pairs"* ]]
  run ! grep -F ama.train_raft "$calls"
  mv "${stubs}/python.real" "${stubs}/python"
  : >"$calls"
  bash "${recipes}/smollm2_135m.sh"
  [[ "$(head -n 1 "$calls")" == "-m ama.train_reward "* ]]
}
