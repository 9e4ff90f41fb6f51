#!/usr/bin/env bats
# Every recipe explains itself, and most show the command that they would run.

bats_require_minimum_version 1.5.0

setup() {
  source "${BATS_TEST_DIRNAME}/helpers.bash"
  make_repository
  cp -r "${BATS_TEST_DIRNAME}/../../configs" "$repository"
}

# recipes: all scripts but the shared parts, one a line.
recipes() {
  (cd "$repository" && find scripts -name '*.sh' -not -path 'scripts/lib/*' | sort)
}

@test "--help of every recipe: what it does, an example, its variables; nothing is run" {
  stub "${stubs}/python" <<<'record python "$@"'
  [ "$(recipes | wc -l)" -ge 14 ]
  while read -r recipe; do
    run --separate-stderr bash "${repository}/${recipe}" --limit 3 --help
    echo "${recipe}: ${output} ${stderr}"
    [ "$status" -eq 0 ]
    [ -z "$stderr" ]
    [ "${lines[0]}" = "$(sed -n '2s/^# //p' "${repository}/${recipe}")" ]
    grep -qF "bash ${recipe}" <<<"$output"
    while read -r variable; do
      grep -q "^  ${variable}=" <<<"$output"
    done < <(sed -n 's/^: "${\([a-z_0-9]*\).*/\1/p' "${repository}/${recipe}")
  done < <(recipes)
  [ ! -s "$calls" ]
}

@test "--help gives the default, and the comment that explains it" {
  run bash "${repository}/scripts/rlhf/run_dpo.sh" --help
  [[ "$output" == *$'\n  # Pairs with a text of more tokens are left out.\n  max_length=512\n'* ]]
  run bash "${repository}/scripts/postprocess/weight_interpolation.sh" -h
  [[ "$output" == *$'\n  weight_ensamble_save_path=output/pma_${alpha}_${tag0}_${tag1}\n'* ]]
  [[ "$output" == *"dry_run=true prints the command"* ]]
}

@test "--help from the folder of the recipe" {
  cd "${repository}/scripts/rlhf"
  run ./run_sft.sh --help
  [ "$status" -eq 0 ]
  [[ "${lines[0]}" == "Fine-tune a model"* ]]
}

@test "dry_run=true prints the command, quoted for a shell, and runs nothing" {
  stub "${stubs}/python" <<<'[[ "$*" == *"import ama"* ]] || record python "$@"'
  export dry_run=true
  weight_ensamble_save_path="out/a b_split|1#3|0.4|0.3|0.2_after" run bash \
    "${repository}/scripts/postprocess/weight_interpolation.sh" --note "it's" --empty ''
  [ "$output" = "python -m ama.interpolate --before path/to/model_before_rlhf --after path/to/model_after_rlhf \
--ratio 0.3 --tag0 before --tag1 after --out 'out/a b_split|1#3|0.4|0.3|0.2_after' --note 'it'\\''s' --empty ''" ]
  num_gpus=4 zero_stage=3 run bash "${repository}/scripts/rlhf/run_sft.sh"
  [[ "$output" == "deepspeed --num_gpus 4 --no_local_rank --module ama.train_sft --model path/to/base_model "* ]]
  [[ "$output" == *"/ds_config_zero3.json'" ]]
  num_gpus=2 run bash "${repository}/scripts/rlhf/run_dpo.sh"
  [[ "$output" == "torchrun --standalone --nproc_per_node 2 -m ama.train_dpo "* ]]
  num_ranks=2 run bash "${repository}/scripts/postprocess/weight_mask_merge.sh"
  [[ "$output" == "mpirun -np 2 python -m ama.merge_masks "* ]]
  [ ! -s "$calls" ]
  [ ! -e output ]
}

@test "dry_run=true finds a wrong setting" {
  stub "${stubs}/python" <<<''
  dry_run=true zero_stage=1 run bash "${repository}/scripts/rlhf/run_sft.sh"
  [ "$status" -eq 2 ]
  [ "$output" = "error: zero_stage is '1': give 0, 2 or 3, or leave it empty" ]
}
