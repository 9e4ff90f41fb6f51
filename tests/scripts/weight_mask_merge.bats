#!/usr/bin/env bats
# scripts/postprocess/weight_mask_merge.sh: what it hands to python -m ama.merge_masks.

bats_require_minimum_version 1.5.0

setup() {
  source "${BATS_TEST_DIRNAME}/helpers.bash"
  make_repository
  stub "${stubs}/python" <<<'[[ "$*" == *"import ama"* ]] || record python "$@"'
  recipe="${repository}/scripts/postprocess/weight_mask_merge.sh"
}

@test "defaults" {
  bash "$recipe"
  expect_lines "$calls" python -m ama.merge_masks --before path/to/model_before_rlhf --after path/to/model_after_rlhf \
    --masks output/masks_block3_0.2 --out output/ama_masks_block3_0.2
}

@test "variables come from the environment, further arguments pass through" {
  model_path0="my models/sft" model_path1='models/*' alphas_path="a b/mask_alphas.bin" \
    weight_ensemble_save_path="an out" bash "$recipe" --mean_ratio 0.3 --note "two words"
  expect_lines "$calls" python -m ama.merge_masks --before "my models/sft" --after 'models/*' \
    --masks "a b/mask_alphas.bin" --out "an out" --mean_ratio 0.3 --note "two words"
}

@test "python's exit status and stderr are kept" {
  stub "${stubs}/python" <<<'[[ "$*" == *"import ama"* ]] || { echo "error: no mask" >&2; exit 2; }'
  run bash "$recipe"
  [ "$status" -eq 2 ]
  [ "$output" = "error: no mask" ]
}
