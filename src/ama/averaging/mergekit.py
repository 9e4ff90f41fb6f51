"""The same merge as a mergekit configuration, so that mergekit's users can redo it."""

import yaml

from ama.averaging.plan import MergePlan
from ama.checkpoint.folder import Checkpoint
from ama.checkpoint.tensors import LowRankTensor


def mergekit_yaml(plan: MergePlan) -> str | None:
    """Return a YAML for `mergekit-yaml`, or None where mergekit can't express the merge.

    mergekit has no counterpart of kept vocabulary rows, of a head untied on one side, of several dtypes.
    Its filters are substrings of tensor names and the first that matches decides, so longer names come first.
    """
    dtypes = {tensor.dtype for tensor in plan.tensors}
    resized = any(tensor.before.shape != tensor.after.shape for tensor in plan.tensors)
    untied = any(len(set(model.tensors.values())) < len(model.tensors) for model in (plan.before, plan.after))
    make = plan.method.recipe
    several = any(tensor.ratios is not None for tensor in plan.tensors)
    if make is None or several or len(dtypes) > 1 or resized or untied:
        return None
    ratios = _ratios_by_filter(plan)
    before, after = _reference(plan.before), _reference(plan.after)
    if any(isinstance(tensor.after, LowRankTensor) for tensor in plan.tensors):
        after = f"{before}+{after}"
    recipe = make(before, after, ratios)
    method, dtype = recipe.pop("merge_method"), str(dtypes.pop()).removeprefix("torch.")
    return str(
        yaml.safe_dump({"merge_method": method, "dtype": dtype, **recipe}, sort_keys=False, width=1000)
    )


def _reference(model: Checkpoint) -> str:
    return model.label if model.revision is None else f"{model.label}@{model.revision}"


def _ratios_by_filter(plan: MergePlan) -> dict[str, float]:
    """Return the ratio of each filter: a layer where its tensors agree, else a tensor; longer names first."""
    groups: dict[str, set[float]] = {}
    for tensor in plan.tensors:
        groups.setdefault(_layer_prefix(tensor.site.name, tensor.site.layer), set()).add(tensor.ratio)
    found: dict[str, float] = {}
    for tensor in plan.tensors:
        prefix = _layer_prefix(tensor.site.name, tensor.site.layer)
        found[prefix if len(groups[prefix]) == 1 else tensor.site.name] = tensor.ratio
    return dict(sorted(found.items(), key=lambda item: -len(item[0])))


def _layer_prefix(name: str, layer: int | None) -> str:
    return name if layer is None else f"{name.partition(f'.{layer}.')[0]}.{layer}."
