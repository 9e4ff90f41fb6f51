#!/usr/bin/env bash
# Averages of a real pair: SmolLM2-135M-Instruct (before) and the same fine-tuned on instructions (after), measured on held-out
# instructions and on Wikipedia. Runs on a CPU. Edit the variables, or set them in the environment:
#
#   dolly_jsonl=my.jsonl ratios=0.5 bash scripts/reproduce/smollm2_dolly.sh
source "$(dirname "${BASH_SOURCE[0]}")/../lib/common.sh"

# Instructions, {"prompt", "response"} a line: the first rows train, the last are held out.
: "${dolly_jsonl:=data/dolly_hhrlhf/train.jsonl}"
: "${train_rows:=300}"
: "${held_out_rows:=200}"
# General text: WikiText-2's test split, one plain text file.
: "${wikitext_txt:=data/wikitext-2/test.txt}"
: "${output:=output/smollm2_dolly}"

: "${lr:=2e-4}"
: "${batch:=4}"
: "${block_size:=512}"
: "${seed:=0}"
# Blocks of each text that are measured.
: "${max_blocks:=64}"

# merged = ratio * before + (1 - ratio) * after
: "${ratios:=0.25 0.5 0.75}"
# Layers 0-9, 10-19 and 20-29 at a mean of 0.25, and the final norm at 0.25.
part_wise="pma_0.25_before_split|9#19|0.4|0.25|0.1_after"

activate_environment
export model_path0="$output/before" model_path1="$output/after" log_path="$output/logs/weight_interpolation"
merge=(bash "$repo_root/scripts/postprocess/weight_interpolation.sh" --overwrite)

rows="$(wc -l <"$dolly_jsonl")"
((rows >= train_rows + held_out_rows)) || die "${dolly_jsonl}: ${rows} rows are fewer than train_rows and held_out_rows"
mkdir -p "$output"
head -n "$train_rows" "$dolly_jsonl" >"$output/train.jsonl"
tail -n "$held_out_rows" "$dolly_jsonl" >"$output/held_out.jsonl"
[[ -d "$model_path0" ]] || python -m ama.prepare_smollm2 "$model_path0"
[[ -d "$model_path1" ]] || python -m ama.finetune --model "$model_path0" --data "$output/train.jsonl" \
  --out "$model_path1" --lr "$lr" --batch "$batch" --block_size "$block_size" --seed "$seed" --save_steps 20

models=("$model_path0" "$model_path1" "$output/$part_wise")
alpha=0.25 weight_ensamble_save_path="$output/$part_wise" "${merge[@]}"
for ratio in $ratios; do
  models+=("$output/pma_${ratio}_before_after")
  alpha="$ratio" weight_ensamble_save_path="${models[-1]}" "${merge[@]}"
done

python -m ama.evaluate_loss --models "${models[@]}" --scores "$output/scores.jsonl" \
  --data instructions="$output/held_out.jsonl" wikitext="$wikitext_txt" \
  --block_size "$block_size" --max_blocks "$max_blocks" --batch 4
python -m ama.show_losses "$output/scores.jsonl" --before "$model_path0" --after "$model_path1" \
  --plot "$output/losses.png"
