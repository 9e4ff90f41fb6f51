"""Direct preference optimisation with TRL: the model after RLHF from pairs, without a reward model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ama.data.pairs import Pair
from ama.errors import UserError
from ama.models import load_model, load_tokenizer, quiet
from ama.sampling.encoding import Encoded, check_vocabulary, padding_id
from ama.training.arguments import trainer_arguments
from ama.training.baselines import Remedies, model_before, replayed
from ama.training.lora import lora_config
from ama.training.pair_rows import encode_pairs
from ama.training.settings import StageSettings
from ama.training.stage import describe_run, dtype_to_save, finish, train, work_of


def train_dpo(
    base: Path,
    pairs: Sequence[Pair],
    out: Path,
    settings: StageSettings,
    *,
    beta: float,
    max_length: int,
    dtype: str = "auto",
) -> None:
    """Train a model to prefer the preferred replies, and save it; goes on where an earlier run was cut short.

    The loss is -log sigmoid(beta * (log-ratio of chosen - log-ratio of rejected)), where a log-ratio is the
    log-likelihood of the reply under the model less that under `base`.

    Args:
        base: folder of the model to start from, which is also the reference.
        pairs: to train on.
        out: folder for the trained model.
        settings: the hyperparameters.
        beta: the larger, the nearer the model stays to `base` (paper, 0.1).
        max_length: pairs with a text of more tokens are left out, and counted on stderr.
        dtype: of the weights that are written, `auto` for those of `base`.

    Raises:
        UserError: no pair is short enough, a tokenizer that does not fit, a number out of range, an
            unfinished run of other settings in the work folder, or a loss that is no number.
    """
    from datasets import Dataset
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer

    if not 0 < beta < math.inf:
        raise UserError(f"beta {beta}: must be positive and finite")
    quiet()
    tokenizer = load_tokenizer(base)
    padding_id(tokenizer)
    rows: list[dict[str, Any]] = [
        _row(chosen, rejected)
        for _, chosen, rejected in encode_pairs(tokenizer, pairs, max_length, "training")
    ]
    rows = replayed(rows, tokenizer, settings)
    run = describe_run(settings, rows, base=str(base), beta=beta, max_length=max_length, dtype=dtype)
    options: dict[str, Any] = {"max_length": None, "beta": beta}
    arguments = trainer_arguments(DPOConfig, work_of(out), settings, **options)
    # After the arguments: under ZeRO-3 they have the weights loaded in parts.
    model = load_model(base, "float32")
    check_vocabulary(model, tokenizer)
    held = model_before(base, settings)

    class Trainer(Remedies, DPOTrainer):
        """TRL's, for pairs that are tokens already, as everywhere in this project."""

        def _prepare_dataset(self, dataset: Dataset, *_: object) -> Dataset:
            return dataset

    trainer = Trainer(
        model=model,
        # With adapters the reference is the model without them.
        ref_model=load_model(base, "float32") if settings.lora is None else None,
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        peft_config=lora_config(settings.lora, model, None),
    )
    trainer.use(settings.remedies, held)
    train(trainer, run)
    finish(trainer, tokenizer, base, out, dtype_to_save(dtype, base), run)


def _row(chosen: Encoded, rejected: Encoded) -> dict[str, list[int]]:
    """Return a pair as TRL takes it; what the two have in common is their prompt, at most."""
    shared = min(chosen.prompt_length, rejected.prompt_length)
    return {
        "prompt_ids": chosen.ids[:shared],
        "chosen_ids": chosen.ids[shared:],
        "rejected_ids": rejected.ids[shared:],
    }
