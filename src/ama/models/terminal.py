"""Keep libraries from writing on the terminal what tells our users nothing."""

import os


def quiet() -> None:
    """Turn off transformers' bars over files, and DeepSpeed's remark that there is no accelerator."""
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    # accelerate imports DeepSpeed wherever it is installed, and DeepSpeed warns unless it is told of the CPU.
    if not torch.accelerator.is_available():
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
