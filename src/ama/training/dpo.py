"""Direct preference optimisation with TRL: the model after RLHF from pairs, without a reward model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer

from ama.checkpoint.staging import check_model_target
from ama.data.pairs import Pair, read_pairs
from ama.models import load_model, load_tokenizer, quiet
from ama.sampling.encoding import Encoded, check_vocabulary, padding_id
from ama.settings.base import record_of
from ama.settings.training import (
    DPO,
    BaselineSettings,
    DpoSettings,
    LoraSettings,
    TrainingFiles,
    TrainingSettings,
)
from ama.training.arguments import stage_arguments
from ama.training.baselines import WithBaselines, model_before, replayed
from ama.training.lora import lora_config
from ama.training.pair_rows import encode_pairs
from ama.training.stage import describe_run, finish, train, work_of

_DPO, _LORA, _BASELINES = DpoSettings(), LoraSettings(), BaselineSettings()


def run_dpo(
    files: TrainingFiles,
    dpo: DpoSettings = _DPO,
    training: TrainingSettings = DPO,
    lora: LoraSettings = _LORA,
    baselines: BaselineSettings = _BASELINES,
) -> None:
    """Read pairs and train a model on them; see `train_dpo`.

    Raises:
        UserError: a result that is there already, data that can't be read, or as `train_dpo`.
    """
    check_model_target(files.out, overwrite=files.overwrite)
    given = record_of([files, dpo, training, lora, baselines])
    train_dpo(files.model, read_pairs(files.data), files.out, dpo, training, lora, baselines, given=given)


def train_dpo(
    base: Path,
    pairs: Sequence[Pair],
    out: Path,
    dpo: DpoSettings = _DPO,
    training: TrainingSettings = DPO,
    lora: LoraSettings = _LORA,
    baselines: BaselineSettings = _BASELINES,
    *,
    given: Mapping[str, object] | None = None,
) -> None:
    """Train a model to prefer the preferred replies, and save it; goes on where an earlier run was cut short.

    The loss is -log sigmoid(beta * (log-ratio of chosen - log-ratio of rejected)), where a log-ratio is the
    log-likelihood of the reply under the model less that under `base`.

    Args:
        base: folder of the model to start from, which is also the reference.
        pairs: to train on.
        out: folder for the trained model.
        dpo: beta, and how long a text may be: pairs with a longer one are left out, and counted on stderr.
        training: the hyperparameters.
        lora: adapters to train in place of the weights.
        baselines: terms of the loss that hold the model near `base`.
        given: settings of the command, for the record.

    Raises:
        UserError: no pair is short enough, a tokenizer that does not fit, a batch that can't be divided, an
            unfinished run of other settings in the work folder, or a loss that is no number.
    """
    quiet()
    tokenizer = load_tokenizer(base)
    padding_id(tokenizer)
    rows: list[dict[str, Any]] = [
        _row(chosen, rejected)
        for _, chosen, rejected in encode_pairs(tokenizer, pairs, dpo.max_length, "training")
    ]
    rows = replayed(rows, tokenizer, baselines)
    run = describe_run([dpo, training, lora, baselines], rows, base=str(base))
    options: dict[str, Any] = {"max_length": None, "beta": dpo.beta}
    # The blocks to replay are a column that TRL does not know.
    options["remove_unused_columns"] = not baselines.replay
    arguments = stage_arguments(DPOConfig, work_of(out), training, **options)
    # After the arguments: under ZeRO-3 they have the weights loaded in parts.
    model = load_model(base, "float32")
    check_vocabulary(model, tokenizer)
    held = model_before(base, baselines, lora)

    class Trainer(WithBaselines, DPOTrainer):
        """TRL's, for pairs that are tokens already, as everywhere in this project."""

        def _prepare_dataset(self, dataset: Dataset, *_: object) -> Dataset:
            return dataset

    trainer = Trainer(
        model=model,
        # With adapters the reference is the model without them.
        ref_model=load_model(base, "float32") if lora.lora_r is None else None,
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        peft_config=lora_config(lora, model, None),
    )
    trainer.use(baselines, held)
    train(trainer, run)
    finish(trainer, tokenizer, base, out, training.dtype, run, given)


def _row(chosen: Encoded, rejected: Encoded) -> dict[str, list[int]]:
    """Return a pair as TRL takes it; what the two have in common is their prompt, at most."""
    shared = min(chosen.prompt_length, rejected.prompt_length)
    return {
        "prompt_ids": chosen.ids[:shared],
        "chosen_ids": chosen.ids[shared:],
        "rejected_ids": rejected.ids[shared:],
    }
