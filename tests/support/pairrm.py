"""Tiny PairRMs of random weights in both layouts: llm-blender's real classes, DeBERTa's real tokenisation."""

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import trainers
from transformers import DebertaV2Config, DebertaV2Model, DebertaV2Tokenizer

from ama.evaluation.measures.shims import apply_shims
from ama.models import quiet
from support.tiny import scatter

TEXTS = (
    "Name a colour that you like.",
    "Blue is a colour, and red is one as well.",
    "Count to three: one, two, three.",
    "I can't help with that, sorry!",
)
_DEBERTA = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "relative_attention": True,
    "position_buckets": 32,
    "max_relative_positions": -1,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "pos_att_type": ["p2c", "c2p"],
    "position_biased_input": False,
    "type_vocab_size": 0,
}
# As in the ranker_config of the original, but for the lengths.
_RANKER = {
    "ranker_type": "pairranker",
    "model_type": "deberta",
    "source_maxlength": 96,
    "candidate_maxlength": 32,
    "n_tasks": 1,
    "num_pos": 5,
    "num_neg": 5,
    "sub_sampling_mode": "all_pair",
    "sub_sampling_ratio": 0.4,
    "loss_type": "instructgpt",
    "reduce_type": "linear",
    "inference_mode": "bubble",
    "drop_out": 0.05,
    "fp16": True,
}


def save_pairrms(folder: Path, base_dtype: torch.dtype = torch.float32) -> Path:
    """Save `base`, `PairRM` and `PairRM-hf`, which share their weights, in `folder`; return it."""
    apply_shims("llm-blender")
    quiet()
    from llm_blender.blender.blender_utils import load_ranker
    from llm_blender.pair_ranker.config import RankerConfig
    from llm_blender.pair_ranker.pairrm import DebertaV2PairRM
    from safetensors.torch import save_model

    base, original = folder / "base", folder / "PairRM"
    tokenizer = _tokenizer()
    config = DebertaV2Config(vocab_size=len(tokenizer), **_DEBERTA)
    torch.manual_seed(0)
    DebertaV2Model(config).to(base_dtype).save_pretrained(base)
    tokenizer.save_pretrained(base)
    settings: dict[str, Any] = {**_RANKER, "model_name": str(base)}
    ranker, tokenizer, _ = load_ranker(RankerConfig.from_dict(settings))
    scatter(ranker.float(), 1)
    original.mkdir()
    save_model(ranker, str(original / "model.safetensors"), metadata={"format": "pt"})
    (original / "config.json").write_text(json.dumps(settings))
    names = ("source", "cand", "cand1", "cand2")
    ids = {f"{name}_prefix_id": getattr(tokenizer, f"{name}_prefix_id") for name in names}
    own = {
        "vocab_size": len(tokenizer),
        "n_tasks": 1,
        "drop_out": 0.05,
        "sep_token_id": tokenizer.sep_token_id,
    }
    port = DebertaV2PairRM(DebertaV2Config(**_DEBERTA, **own, **ids))
    port.load_state_dict(ranker.state_dict())
    port.save_pretrained(folder / "PairRM-hf")
    tokenizer.save_pretrained(folder / "PairRM-hf")
    return folder


def _tokenizer() -> DebertaV2Tokenizer:
    """Train the pieces of DeBERTa-v3's tokenizer, a unigram model, on a few sentences."""
    special = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
    trainer = trainers.UnigramTrainer(vocab_size=80, special_tokens=special, unk_token="[UNK]")
    backend = DebertaV2Tokenizer().backend_tokenizer
    backend.train_from_iterator(TEXTS * 5, trainer)
    pieces = [(piece, score) for piece, score in json.loads(backend.to_str())["model"]["vocab"]]
    return DebertaV2Tokenizer(vocab=pieces, unk_id=special.index("[UNK]"))


def blender(folder: Path) -> Any:
    """Return llm-blender's own Blender with the original layout loaded."""
    from llm_blender.blender.blender import Blender
    from llm_blender.blender.config import BlenderConfig

    judge = Blender(BlenderConfig(device="cpu", use_tqdm=False))
    judge.loadranker(str(folder / "PairRM"))
    return judge
