#!/usr/bin/env bash
# The tax, and averaging taking it back, in two minutes on a CPU, offline once installed: trains a tiny model on English
# (before), trains it on for code (after), averages the two, and measures every average on both. Edit the
# variables, or set them in the environment:
#
#   ratios='0.0 0.2 0.4 1.0' bash scripts/quickstart.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

: "${output:=output/quickstart}"
: "${seed:=0}"

# merged = ratio * before + (1 - ratio) * after
: "${ratios:=0.0 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9 1.0}"
# Layers 0 and 1 keep more of before; the head and the final norm take alpha.
part_wise="pma_0.4_before_split|1#3|0.6|0.4|0.2_after"

"$repo_root/install.sh"
activate_environment
# The models are so small that threads only get in each other's way.
export OMP_NUM_THREADS=1

printf '\n== Training the two models\n'
python -m ama.build_pair --out "$output/pair" --seed "$seed"

printf '\n== Averaging them\n'
export model_path0="$output/pair/before" model_path1="$output/pair/after" log_path="$output/logs/weight_interpolation"
merge=(bash "$repo_root/scripts/postprocess/weight_interpolation.sh" --overwrite)
models=("$model_path0")
for ratio in $ratios; do
  models+=("$output/pma_${ratio}_before_after")
  alpha="$ratio" weight_ensamble_save_path="${models[-1]}" "${merge[@]}"
done
models+=("$output/$part_wise" "$model_path1")
alpha=0.4 weight_ensamble_save_path="$output/$part_wise" "${merge[@]}"

printf '\n== Measuring them\n'
python -m ama.evaluate_loss --models "${models[@]}" --scores "$output/scores.jsonl" --block_size 128 \
  --data prose="$output/pair/texts/prose_test.txt" code="$output/pair/texts/code_test.txt"
python -m ama.show_losses "$output/scores.jsonl" --before "$model_path0" --after "$model_path1" \
  --plot "$output/losses.png"

cat <<EOF
Training on code made after better at code and worse at English: the tax. Averages lie between, and keep most of both.

  ${output}/losses.png     the table as a plot
  ${output}/scores.jsonl   every number, with settings and date
  ${output}/pma_*          the averages: checkpoints that transformers loads

For your own two models, edit the variables at the top of scripts/postprocess/weight_interpolation.sh.
EOF
