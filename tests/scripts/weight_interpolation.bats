#!/usr/bin/env bats
# scripts/postprocess/weight_interpolation.sh: what it hands to python -m ama.interpolate.

bats_require_minimum_version 1.5.0

setup() {
  source "${BATS_TEST_DIRNAME}/helpers.bash"
  make_repository
  stub "${stubs}/python" <<<'[[ "$*" == *"import ama"* ]] || record python "$@"'
  recipe="${repository}/scripts/postprocess/weight_interpolation.sh"
}

# expect_python ARGUMENT...: python was run once, as ama.interpolate, with these arguments.
expect_python() {
  expect_lines "$calls" python -m ama.interpolate "$@"
}

@test "defaults: plain averaging with alpha 0.3" {
  bash "$recipe"
  expect_python --before path/to/model_before_rlhf --after path/to/model_after_rlhf --ratio 0.3 --tag0 before \
    --tag1 after --out output/pma_0.3_before_after
}

@test "variables come from the environment, with spaces and a schedule's | and # intact" {
  alpha=0.25 model_path0="my models/sft" model_path1='models/*' tag0=sft tag1=raft \
    weight_ensamble_save_path='out dir/pma_0.25_sft_split|10#20|0.4|0.3|0.2_raft' bash "$recipe"
  expect_python --before "my models/sft" --after 'models/*' --ratio 0.25 --tag0 sft --tag1 raft \
    --out 'out dir/pma_0.25_sft_split|10#20|0.4|0.3|0.2_raft'
}

@test "the save name follows alpha and the tags" {
  alpha=0.1 tag0=sft tag1=dpo bash "$recipe"
  grep -qxF output/pma_0.1_sft_dpo "$calls"
}

@test "further arguments pass through" {
  weight_ensamble_save_path=out bash "$recipe" --overwrite --schedule 'split|10#20|0.4|0.3|0.2' --note "two words"
  expect_python --before path/to/model_before_rlhf --after path/to/model_after_rlhf --ratio 0.3 --tag0 before \
    --tag1 after --out out --overwrite --schedule 'split|10#20|0.4|0.3|0.2' --note "two words"
}

@test "weight_ensemble_save_path is accepted, alone or equal" {
  weight_ensemble_save_path="an out" bash "$recipe"
  weight_ensemble_save_path="an out" weight_ensamble_save_path="an out" bash "$recipe"
  [ "$(grep -cxF "an out" "$calls")" -eq 2 ]
}

@test "two spellings that differ are an error" {
  weight_ensemble_save_path=a weight_ensamble_save_path=b run bash "$recipe"
  [ "$status" -eq 2 ]
  [ "$output" = "error: weight_ensamble_save_path and weight_ensemble_save_path are both set, and differ: set one" ]
  [ ! -s "$calls" ]
}

@test "python's exit status and stderr are kept" {
  stub "${stubs}/python" <<<'[[ "$*" == *"import ama"* ]] || { echo "error: no such folder" >&2; exit 2; }'
  log_path=logs/merge run bash "$recipe"
  [ "$status" -eq 2 ]
  [ "$output" = "error: no such folder" ]
  [ "$(cat logs/merge.err)" = "error: no such folder" ]
}

@test "several ranks run under mpirun, as root too" {
  stub "${stubs}/mpirun" <<'EOF'
record mpirun "$@"
echo "root: ${OMPI_ALLOW_RUN_AS_ROOT} ${OMPI_ALLOW_RUN_AS_ROOT_CONFIRM}"
exit 3
EOF
  stub "${stubs}/id" <<<'echo 0'
  num_ranks=2 weight_ensamble_save_path=out run bash "$recipe"
  [ "$status" -eq 3 ]
  [ "$output" = "root: 1 1" ]
  expect_lines "$calls" mpirun -np 2 python -m ama.interpolate --before path/to/model_before_rlhf \
    --after path/to/model_after_rlhf --ratio 0.3 --tag0 before --tag1 after --out out
}
