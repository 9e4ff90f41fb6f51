"""Whether two checkpoints are of one architecture, and what happens where their vocabularies differ."""

from ama.checkpoint.folder import Checkpoint
from ama.checkpoint.names import is_token_table
from ama.errors import UserError
from ama.settings.merging import VocabularyMismatch

_SAME_KEYS = (
    "model_type",
    "architectures",
    "num_hidden_layers",
    "n_layer",
    "hidden_size",
    "n_embd",
    "num_attention_heads",
    "n_head",
    "num_key_value_heads",
    "num_local_experts",
)
_NOTED_KEYS = (
    "rope_theta",
    "rope_parameters",
    "rope_scaling",
    "hidden_act",
    "rms_norm_eps",
    "layer_norm_eps",
    "sliding_window",
    "num_experts_per_tok",
)


def check_configs(before: Checkpoint, after: Checkpoint) -> None:
    """Raise UserError if either configuration is quantised, or if they describe different architectures."""
    for model in (before, after):
        if model.config.get("quantization_config"):
            raise UserError(
                f"{model.label} is quantised (quantization_config in its config.json): give full weights"
            )
    for key in _SAME_KEYS:
        first, second = before.config.get(key), after.config.get(key)
        if None not in (first, second) and first != second:
            raise UserError(
                f"{key} is {first} in {before.label}, {second} in {after.label}: "
                "only checkpoints of one architecture can be averaged"
            )


def check_names(before: Checkpoint, after: Checkpoint) -> None:
    """Raise UserError if a tensor of one model is missing in the other."""
    for one, other in ((before, after), (after, before)):
        missing = [name for name in other.tensors if name not in one.tensors]
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            raise UserError(
                f"{one.label} lacks tensor '{missing[0]}'{more}, which {other.label} has: "
                "only checkpoints of one architecture can be averaged"
            )


def merged_shape(
    name: str, before: Checkpoint, after: Checkpoint, vocabulary: VocabularyMismatch
) -> tuple[int, ...]:
    """Return the result's shape of a tensor: the common one, or with all rows of both vocabularies.

    Raises:
        UserError: the shapes differ in more than token rows, or `vocabulary` forbids that these differ.
    """
    first, second = before.tensors[name].shape, after.tensors[name].shape
    if first == second:
        return first
    if not is_token_table(name) or first[1:] != second[1:]:
        raise UserError(
            f"tensor '{name}' is {list(first)} in {before.label}, {list(second)} in {after.label}: "
            "only checkpoints of one architecture can be averaged"
        )
    if vocabulary is VocabularyMismatch.ERROR:
        raise UserError(
            f"the vocabularies differ: '{name}' has {first[0]} rows in {before.label}, {second[0]} in "
            f"{after.label}; --vocab_mismatch keep_extra averages the common rows and keeps the others"
        )
    return max(first, second)


def config_notes(before: Checkpoint, after: Checkpoint) -> list[str]:
    """Return a sentence for each setting that differs and changes what the weights mean."""
    return [
        f"{key} is {before.config.get(key)} in before's config.json, {after.config.get(key)} in after's: kept"
        for key in _NOTED_KEYS
        if before.config.get(key) != after.config.get(key)
    ]
