"""DROP as OpenCompass measures it, with its data set, prompt, inferencer and scorer, on a loaded model."""

from __future__ import annotations

import json
import shutil
from copy import deepcopy
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ama.data.eval_sets.folder import DROP_SIMPLE
from ama.evaluation.items import mean_items
from ama.evaluation.measure import Number, standard_error
from ama.evaluation.measures.eval_data import OPENCOMPASS_DROP
from ama.evaluation.measures.shims import apply_shims
from ama.processes import gather_batches, rank_and_size
from ama.settings.measures import OpenCompassSettings

BACKEND = "opencompass"
_REPLIES = "replies.json"
_JOURNAL = f"tmp_{Path(_REPLIES).stem}.jsonl"


def measure_drop(
    model: Any,
    tokenizer: Any,
    settings: OpenCompassSettings,
    work: Path,
    *,
    fresh: bool = False,
) -> list[Number]:
    """Run OpenCompass's `drop_gen`, sharing the questions with the other processes of the run.

    Args:
        model: on its device.
        tokenizer: of the model.
        settings: how.
        work: gets the replies of each batch, so that a run that was cut short goes on.
        fresh: drop what an earlier run has left there.

    Returns:
        The accuracy, in percent, with its standard error over questions.
    """
    apply_shims(BACKEND)
    from opencompass.registry import ICL_EVALUATORS
    from opencompass.utils import build_dataset_from_cfg

    rank, size = rank_and_size()
    config = _config()
    last = "" if settings.limit is None else str(settings.limit)
    config["reader_cfg"]["test_range"] = f"[{rank}:{last}:{size}]"
    # An absolute path is taken as it is, without a look at COMPASS_DATA_CACHE.
    config["path"] = str(settings.folder.resolve() / DROP_SIMPLE)
    data = build_dataset_from_cfg(config)
    own = work / f"{rank}_of_{size}"
    if fresh:
        shutil.rmtree(own, ignore_errors=True)
    replies = _finished(own / _REPLIES)
    if replies is None:
        _mend(own / _JOURNAL)
        with TemporaryDirectory() as folder:
            stand_in = _wrap(model, tokenizer, Path(folder), settings)
            replies = _replies(stand_in, data, config["infer_cfg"], settings, own)
    answers = list(data.test[config["reader_cfg"]["output_column"]])
    own_pairs = enumerate(zip(replies, answers, strict=True))
    found = gather_batches({rank + size * number: pair for number, pair in own_pairs})
    pairs = [found[number] for number in sorted(found)]
    scorer = ICL_EVALUATORS.build(config["eval_cfg"]["evaluator"])
    score = scorer.score([reply for reply, _ in pairs], [answer for _, answer in pairs])
    values = [100.0 * detail["correct"] for detail in score["details"]]
    accuracy = float(score["accuracy"])
    return [Number("accuracy", accuracy, standard_error(values), len(values), mean_items(values))]


def _config() -> Any:
    """Return a copy of the stock configuration of drop_gen's one data set."""
    module = import_module(f"opencompass.configs.datasets.drop.{OPENCOMPASS_DROP}")
    (config,) = module.drop_datasets
    return deepcopy(config)


def _wrap(model: Any, tokenizer: Any, folder: Path, settings: OpenCompassSettings) -> Any:
    """Return OpenCompass's own model class around a loaded model; its tokenizer is read from `folder`."""
    from opencompass.models import HuggingFaceBaseModel, HuggingFacewithChatTemplate

    kind: Any = HuggingFacewithChatTemplate if settings.apply_chat_template else HuggingFaceBaseModel

    class Loaded(kind):  # type: ignore[misc]
        """OpenCompass's model, but for the loading."""

        def _load_model(self, *_: object, **__: object) -> None:
            self.model = model
            # As OpenCompass does to the models that it loads.
            self.model.generation_config.do_sample = False

    for part in (tokenizer, model.config):
        part.save_pretrained(folder)
    # Unlike save_pretrained this writes settings that contradict each other, as published models have them.
    model.generation_config.to_json_file(folder / "generation_config.json")
    return Loaded(
        path=str(folder), max_seq_len=settings.max_seq_len, tokenizer_kwargs={"trust_remote_code": False}
    )


def _replies(model: Any, data: Any, config: Any, settings: OpenCompassSettings, work: Path) -> list[str]:
    """Return the model's reply to each question, as OpenCompass's task of inference asks for them."""
    from opencompass.registry import ICL_INFERENCERS, ICL_PROMPT_TEMPLATES, ICL_RETRIEVERS

    inferencer = ICL_INFERENCERS.build(
        {
            **config["inferencer"],
            "model": model,
            "max_out_len": settings.max_out_len,
            "max_seq_len": settings.max_seq_len,
            "batch_size": settings.batch_size,
            "output_json_filepath": str(work),
            "output_json_filename": _REPLIES,
        }
    )
    # Each process has questions and a folder of its own, and writes there.
    inferencer.is_main_process = True
    replies: list[str] = inferencer.inference(
        ICL_RETRIEVERS.build({**config["retriever"], "dataset": data}),
        prompt_template=ICL_PROMPT_TEMPLATES.build(config["prompt_template"]),
    )
    return replies


def _mend(journal: Path) -> None:
    """Drop a last line that a kill has cut short, which would make OpenCompass drop all of them."""
    if journal.is_file():
        content = journal.read_bytes()
        journal.write_bytes(content[: content.rfind(b"\n") + 1])


def _finished(path: Path) -> list[str] | None:
    """Return the replies of a process that had finished its share, None if it had not."""
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    return [found[str(number)]["prediction"] for number in range(len(found))]
