"""A merge whose result stays in memory: the tensors that `write_average` would write, bit for bit."""

import os
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from ama.averaging.merge import Buffers, merge_tensor, one_torch_thread
from ama.averaging.plan import MergePlan, PlannedTensor


def merged_tensors(plan: MergePlan) -> dict[str, Tensor]:
    """Mix every tensor of a plan.

    Args:
        plan: what to mix.

    Returns:
        The tensors of the result by their names in a checkpoint.

    Raises:
        UserError: a non-finite result, or an input that can't be read.
    """
    buffers = Buffers()
    results = {tensor.site.name: torch.empty(tensor.shape, dtype=tensor.dtype) for tensor in plan.tensors}

    def fill(tensor: PlannedTensor) -> None:
        target = memoryview(results[tensor.site.name].view(-1).view(torch.uint8).numpy().data)

        def write(data: memoryview, offset: int) -> None:
            target[offset : offset + len(data)] = data

        merge_tensor(tensor, write, buffers)

    with one_torch_thread(), ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        # Read to the end, so that a failure is raised here.
        list(pool.map(fill, plan.tensors))
    return results
