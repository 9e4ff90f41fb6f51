#!/usr/bin/env bash
# The whole experiment in one command, on a CPU and offline once installed. Builds the sandbox: a tiny world with a model
# before RLHF, a reward model, and the model after RLHF, which has more reward and less skill. Averages the two plainly,
# part by part, by the paper's learned ratios with three objectives, and by free ratios of rows and of elements that are
# learned by both models; measures every average; merges the recommended one.
# Run again, it goes on where it stopped. Several worlds are pooled:
#
#   bash scripts/quickstart.sh --seeds 0,1,2
source "$(dirname "${BASH_SOURCE[0]}")/lib/common.sh"

: "${output:=output/quickstart}"
# Of the worlds, parted by commas.
: "${seeds:=0}"
# Of the world: full or small, which takes a third of the time and shows less.
: "${size:=full}"
# How after is made: raft, prompt_loss (RAFT that learns the prompts of its samples too) or dpo.
: "${rlhf:=raft}"
# Plain averaging: merged = ratio * before + (1 - ratio) * after.
: "${ratios:=0.1 0.2 0.3 0.4 0.6 0.8}"
# Mean ratios of the part-wise patterns and of the learned ratios.
: "${means:=0.1 0.2 0.3}"
# Steps that the ratios are learned in.
: "${mask_steps:=60}"
# What the model before RLHF counts for as free ratios are learned, and the steps at each of these prices.
: "${prices:=0.03 0.1 0.3 1}"
: "${price_steps:=40}"
# Recommend the average of most skill that loses no more than this share of the reward gained.
: "${most_loss:=0.05}"
# Processes that share the averages.
: "${processes:=2}"

while (($#)); do
  case "$1" in
    --seeds) seeds="${2:-}" && shift $(($# > 1 ? 2 : 1)) ;;
    *) die "unknown argument $1: give --seeds 0,1,2 or --help" ;;
  esac
done
case "$rlhf" in
  raft) kind='' ;;
  prompt_loss | dpo) kind="_${rlhf}" ;;
  *) die "rlhf is '${rlhf}': give raft, prompt_loss or dpo" ;;
esac
[[ "$seeds" =~ ^[0-9]+(,[0-9]+)*$ ]] || die "seeds are '${seeds}': give whole numbers, such as 0,1,2"

"$repo_root/install.sh"
activate_environment
# The models are so small that threads only get in each other's way.
export OMP_NUM_THREADS=1

# stage TITLE COMMAND...: run it, and say how long it took.
stage() {
  local title="$1" begun="$SECONDS"
  printf '\n== %s\n' "$title"
  shift
  "$@" || return
  printf '%s: %d s\n' "$title" $((SECONDS - begun))
}

# pattern A B C: a split tag for each mean, with so many times the mean in the first, middle and last two layers.
pattern() {
  local mean
  for mean in $means; do
    awk -v m="$mean" -v a="$1" -v b="$2" -v c="$3" \
      'BEGIN { printf "split|1#3|%.3g|%.3g|%.3g@%s\n", a * m, b * m, c * m, m }'
  done
}

# learn OBJECTIVE OPTIONS...: ratios of mean 0.3, which are brought to the other means without training again.
learn() {
  local masks="${home}/masks${kind}/$1"
  shift
  [[ -e "${masks}/mask_alphas.bin" ]] ||
    python -m ama.optimize_masks --before "${world}/before" --after "${world}/after${kind}" \
      --data "${world}/collected${kind}" --out "$masks" --mean_ratio 0.3 --block_size 128 \
      "@${repo_root}/configs/masks/small_model.args" --max_steps "$mask_steps" "$@"
}

# learn_free LEVEL...: free ratios of each level at all prices, the levels side by side.
learn_free() {
  local level masks job status=0 jobs=()
  local -a words
  read -ra words <<<"$prices"
  for level in "$@"; do
    masks="${home}/masks${kind}/${level}"
    [[ -e "${masks}/mask_alphas.json" ]] && continue
    python -m ama.optimize_masks --before "${world}/before" --after "${world}/after${kind}" \
      --data "${world}/collected${kind}" --out "$masks" --block_size 128 --micro_batch 16 --teacher_top_k 64 \
      "@${repo_root}/configs/masks/two_sided.args" --mask_level "$level" --price "${words[@]}" \
      --max_steps "$price_steps" &
    jobs+=("$!")
  done
  for job in "${jobs[@]}"; do
    wait "$job" || status="$?"
  done
  return "$status"
}

# at_prices LEVEL: its free ratios at each price.
at_prices() {
  local price
  for price in $prices; do
    printf '%s\n' "${home}/masks${kind}/$1@price=${price}"
  done
}

# at_means OBJECTIVE: its learned ratios at each mean.
at_means() {
  local mean
  for mean in $means; do
    printf '%s\n' "${home}/masks${kind}/$1@${mean}"
  done
}

sweep() {
  local sampling="--max_new_tokens 30 --sample_batch 512" held_out="${world}/data/held_out_prompts.json"
  local name curves input last text response retain row element
  for name in text response retain; do
    mapfile -t "$name" < <(at_means "$name")
  done
  for name in row element; do
    mapfile -t "$name" < <(at_prices "$name")
  done
  mapfile -t input < <(pattern 2.2 0.4 0.4)
  mapfile -t last < <(pattern 0.4 0.4 2.2)
  # shellcheck disable=SC2154 # mapfile sets them
  curves=(--curve 'part-wise, input' "${input[@]}" --curve 'part-wise, output' "${last[@]}"
    --curve 'AMA, text' "${text[@]}" --curve 'AMA, response' "${response[@]}"
    --curve 'AMA, response + retain' "${retain[@]}"
    --curve 'two-sided, row' "${row[@]}" --curve 'two-sided, element' "${element[@]}")
  model_path0="${world}/before" model_path1="${world}/after${kind}" output_dir="${home}/front${kind}" ratios="$ratios" \
    reward_model_path="${world}/reward_model" dataset_path="$held_out" max_new_tokens=30 sample_batch=512 \
    tasks='arc_easy squadv2 wmt14-fr-en' eval_data="${world}/tasks" batch_size=256 num_gpus="$processes" \
    most_loss="$most_loss" part_wise='' masks='' log_path="${home}/logs/pareto${kind}" \
    bash "$repo_root/scripts/pareto/run_pareto.sh" "${curves[@]}" \
    --measure "gold --world ${world@Q} ${sampling}"
}

fronts=()
for seed in ${seeds//,/ }; do
  home="${output}/seed_${seed}"
  world="${home}/sandbox"
  front="${home}/front${kind}"
  recommended="${home}/recommended${kind}"
  stage "Sandbox of seed ${seed}" python -m ama.build_sandbox --seed "$seed" --size "$size" --out "$world" \
    ${kind:+"--${kind#_}"}
  stage 'Ratios learned on all text' learn text --loss_on text
  stage 'Ratios learned on replies' learn response --loss_on response
  stage 'Ratios learned on replies, with a term that retains before' learn retain --loss_on response --retain_weight 1
  stage 'Free ratios of rows and elements, learned by both models' learn_free row element
  stage 'Sweep over the averages' sweep
  # Of one world, a parent itself may be the best choice.
  stage 'Merge of the recommended average' python -m ama.merge_recommended "$front" \
    --out "$recommended" --most_loss "$most_loss" --overwrite || printf 'Nothing was merged.\n'
  fronts+=("$front")
done
report="${fronts[0]}"
if ((${#fronts[@]} > 1)); then
  report="${output}/pooled${kind}"
  stage 'Report of all seeds' python -m ama.show_front "${fronts[@]}" --out "$report" --most_loss "$most_loss"
fi

cat <<EOF

What RLHF gained and what it cost, the alignment tax, stand above, and what each average keeps and gives back.

  ${report}/report.html   the front: open it in a browser
  ${report}/front.png     its picture; front.md its tables
EOF
if [[ -e "$recommended" ]]; then
  printf '  %s         the recommended average, a checkpoint that transformers loads\n' "$recommended"
fi
printf '\nFor your own two models, edit the variables at the top of scripts/pareto/run_pareto.sh.\n'
