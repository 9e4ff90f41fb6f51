"""Train a causal language model on texts with the Hugging Face Trainer, a given one or a fresh one."""

from argparse import Namespace
from pathlib import Path

from ama.console import Parser, run

DESCRIPTION = """Fine-tune a causal language model on texts, or train a fresh one (--from_scratch).

A run that was cut short goes on at its last checkpoint when the same command is given again.
Example: python -m ama.finetune --model models/base --data data/sft.jsonl --out output/sft --lr 1e-5
"""


def main() -> None:
    """Read the options, then train."""
    options = _options()
    import torch
    from transformers import set_seed

    from ama.data import pack, read_texts
    from ama.models import check_target, load_model, load_tokenizer, new_model
    from ama.training.language_model import TrainingSettings, train

    settings = TrainingSettings(
        lr=options.lr,
        epochs=options.epochs,
        max_steps=options.max_steps,
        batch=options.batch,
        warmup=options.warmup,
        weight_decay=options.weight_decay,
        seed=options.seed,
        bf16=options.bf16,
        save_steps=options.save_steps,
    )
    check_target(options.out, overwrite=options.overwrite)
    texts = read_texts(options.data)
    tokenizer = load_tokenizer(options.model)
    blocks = pack(texts, tokenizer, options.block_size)
    set_seed(options.seed)
    model = new_model(options.model) if options.from_scratch else load_model(options.model)
    dtype = model.dtype if options.dtype == "auto" else getattr(torch, options.dtype)
    torch.nn.Module.float(model)
    train(model, tokenizer, blocks, options.out, settings, dtype)


def _options() -> Namespace:
    parser = Parser("finetune", DESCRIPTION)
    parser.add_argument("--model", type=Path, required=True, help="model folder, Hugging Face format")
    parser.add_argument(
        "--from_scratch",
        action="store_true",
        help="draw new weights; --model needs config.json and tokenizer only",
    )
    parser.add_argument(
        "--data", type=Path, nargs="+", required=True, metavar="FILE", help=".txt, LMFlow .json or .jsonl"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the trained model")
    parser.add_argument("--overwrite", action="store_true", help="replace --out, once the new model is whole")
    parser.add_argument("--lr", type=float, default=2e-5, help="peak learning rate")
    parser.add_argument("--epochs", type=float, default=1.0, help="passes over the texts")
    parser.add_argument("--max_steps", type=int, help="optimizer steps, in place of --epochs")
    parser.add_argument("--batch", type=int, default=8, help="blocks in a step on each device")
    parser.add_argument("--block_size", type=int, default=512, help="tokens in a block")
    parser.add_argument("--warmup", type=float, default=0.03, help="share of the steps")
    parser.add_argument("--weight_decay", type=float, default=0.0, help="AdamW's")
    parser.add_argument("--seed", type=int, default=0, help="of fresh weights and the order of the blocks")
    parser.add_argument("--bf16", action="store_true", help="compute in bfloat16; the weights stay float32")
    parser.add_argument(
        "--dtype",
        choices=("auto", "float32", "bfloat16"),
        default="auto",
        help="to save in; auto: the model's",
    )
    parser.add_argument(
        "--save_steps", type=int, default=500, help="steps between checkpoints to resume from"
    )
    return parser.parse_args()


if __name__ == "__main__":
    run(main)
