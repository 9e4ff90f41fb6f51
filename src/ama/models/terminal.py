"""Keep libraries from writing on the terminal what tells our users nothing."""

from ama.processes import quiet_deepspeed


def quiet() -> None:
    """Turn off transformers' bars over files, and DeepSpeed's remark that there is no accelerator."""
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    quiet_deepspeed()
