"""Time one training step of the ratios, or of what it is compared with; masks.py runs it.

mask_step.py CASE BEFORE AFTER TEXT DTYPE ROWS LENGTH STEPS prints one line of JSON: seconds of each step,
bytes of one model's weights, peak memory of the steps without that of the imports, gradient of each ratio.
DTYPE bfloat16:float32 rounds the weights to bfloat16 and computes in float32.
"""

import json
import os
import sys
import time
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedModel

from ama.averaging.live import live_sites
from ama.data import pack, read_texts
from ama.models import load_tokenizer, quiet
from ama.ratios.free_model import free_masked_model
from ama.ratios.free_ratios import start_free_ratios
from ama.ratios.learned_ratios import LearnedRatios
from ama.ratios.masked_model import MaskedLinear, mask_model
from ama.ratios.parameter_blocks import parameter_blocks
from ama.ratios.terms import summed_loss
from ama.settings.merging import Scope
from ama.settings.ratios import Approach, RatioSettings

MEAN = 0.2


class PlainLinear(nn.Module):
    """The expression `w0 * a + (1 - a) * w1` under autograd, a in the weights' dtype: the one to beat."""

    def __init__(self, module: MaskedLinear, ratio: Tensor) -> None:
        """Take over the weights of ours."""
        super().__init__()
        self.before, self.after, self.ratio = module.before_weight, module.after_weight, ratio

    def forward(self, x: Tensor) -> Tensor:
        """Return the output of the mixed map."""
        ratio = self.ratio.to(x.dtype)
        weight = self.before * ratio + (1 - ratio) * self.after
        return nn.functional.linear(x, weight)


def _ours(before: PreTrainedModel, after: PreTrainedModel) -> tuple[PreTrainedModel, list[Tensor]]:
    blocks = parameter_blocks("block3", live_sites(after), after.config.num_hidden_layers, Scope.LINEAR)
    ratios = LearnedRatios(len(blocks.labels), MEAN, 0.2, Approach.NORMALIZED)
    model = mask_model(before, after, ratios, blocks)
    values = [torch.tensor(MEAN, requires_grad=True) for _ in blocks.labels]
    # The gradients of the ratios themselves, not of the raw scalars behind them.
    ratios.refresh = lambda: setattr(ratios, "current", torch.stack(values))  # type: ignore[method-assign]
    return model, values


def _plain(before: PreTrainedModel, after: PreTrainedModel) -> tuple[PreTrainedModel, list[Tensor]]:
    model, values = _ours(before, after)
    for path, module in list(model.named_modules()):
        if isinstance(module, MaskedLinear) and module.block is not None:
            parent, _, child = path.rpartition(".")
            setattr(model.get_submodule(parent), child, PlainLinear(module, values[module.block]))
    return model, values


def _frozen(before: PreTrainedModel, after: PreTrainedModel) -> tuple[PreTrainedModel, list[Tensor]]:
    del before
    return after.requires_grad_(False), []


def _free(
    level: str, before: PreTrainedModel, after: PreTrainedModel
) -> tuple[PreTrainedModel, list[Tensor]]:
    free = start_free_ratios(after, RatioSettings(approach=Approach.FREE, mask_level=level))
    return free_masked_model(before, after, free), list(free.raw.values())


def _trained(before: PreTrainedModel, after: PreTrainedModel) -> tuple[PreTrainedModel, list[Tensor]]:
    del before
    return after, list(after.parameters())


CASES = {
    "frozen": _frozen,
    "plain autograd": _plain,
    "ours": _ours,
    "rows": partial(_free, "row"),
    "elements": partial(_free, "element"),
    "all weights": _trained,
}
"""What takes the step; `ours` has three blocks, and in `all weights` the model itself is trained."""


def _step(model: PreTrainedModel, ids: Tensor, *, from_embeddings: bool) -> None:
    """Go forward and backward; a frozen model's backward pass goes through all activations."""
    embeddings = model.get_input_embeddings()(ids).detach().requires_grad_(from_embeddings)
    logits = model(inputs_embeds=embeddings, use_cache=False).logits
    (summed_loss(logits, ids) / ids[:, 1:].numel()).backward()


def _memory(field: str) -> int:
    """Return a field of the process's memory, VmRSS or VmHWM, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def main() -> None:
    """Read the command line, warm up, measure."""
    case, before, after, text, dtype, rows, length, steps = sys.argv[1:]
    quiet()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    ids = pack(read_texts([Path(text)]), load_tokenizer(Path(after)), int(length))[: int(rows)]
    base = _memory("VmRSS")
    paths = [after] if case in ("frozen", "all weights") else [before, after]
    stored, _, computed = dtype.partition(":")
    loaded = (AutoModelForCausalLM.from_pretrained(path, dtype=getattr(torch, stored)) for path in paths)
    models = [model.to(getattr(torch, computed or stored)) for model in loaded]
    weights = sum(value.numel() * value.element_size() for value in models[0].parameters())
    model, values = CASES[case](models[0], models[-1])
    del models
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    seconds = []
    for _ in range(int(steps)):
        for value in values:
            value.grad = None
        start = time.perf_counter()
        _step(model, ids, from_embeddings=not values)
        if case == "all weights":
            # Plain SGD, at a rate that leaves the model as it is.
            torch.optim.SGD(values, lr=1e-12).step()
        seconds.append(time.perf_counter() - start)
    gradients = [float(value.grad) for value in values if value.grad is not None and not value.dim()]
    peak = _memory("VmHWM") - base
    found = {"seconds": seconds, "weights": weights, "peak": peak, "gradients": gradients}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
