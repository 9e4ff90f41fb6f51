"""Adaptive model averaging: a model's weights averaged with those before RLHF, against the alignment tax.

The Python API is four functions, which the commands themselves call: `average`, `learn_ratios`,
`learn_free_ratios` and `sweep`.
Each is imported when it is first asked for, so that `import ama` stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ama.averaging.average import average
    from ama.ratios.learn import learn_ratios
    from ama.ratios.two_sided import learn_free_ratios
    from ama.report.sweep import sweep

__version__ = "0.1.0"
__all__ = ["average", "learn_free_ratios", "learn_ratios", "sweep"]

_HOMES = {
    "average": "ama.averaging.average",
    "learn_free_ratios": "ama.ratios.two_sided",
    "learn_ratios": "ama.ratios.learn",
    "sweep": "ama.report.sweep",
}


def __getattr__(name: str) -> Any:
    """Import a function of the API when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'ama' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List the functions of the API among the names."""
    return sorted({*globals(), *__all__})
