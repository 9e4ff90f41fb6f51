"""The measures of a sweep, each given in one word of the command line."""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ama.console import Parser
from ama.errors import UserError
from ama.evaluation.measure import Measure
from ama.evaluation.measures.harness import add_harness, harness_measures
from ama.evaluation.measures.opencompass import add_drop, drop_measure
from ama.evaluation.measures.pairrm import add_pairrm, pairrm_measure
from ama.evaluation.measures.reward import add_reward, reward_measure
from ama.evaluation.sweep_record import HIDDEN_GROUP, REWARD_GROUPS, SCORES_NAME


class Kind(NamedTuple):
    """A kind of measure.

    Attributes:
        add: adds its options to a parser.
        make: returns the measures of the options that were read.
    """

    add: Callable[[Parser], None]
    make: Callable[[Namespace], Sequence[Measure]]


KINDS: Mapping[str, Kind] = {
    "harness": Kind(add_harness, harness_measures),
    "opencompass": Kind(add_drop, lambda options: [drop_measure(options)]),
    "reward": Kind(add_reward, lambda options: [reward_measure(options)]),
    "pairrm": Kind(add_pairrm, lambda options: [pairrm_measure(options)]),
}


def measures_of(options: Namespace, kinds: Mapping[str, Kind]) -> list[Measure]:
    """Return what --measure names, at least one reward and one skill.

    Args:
        options: of the sweep: measure, out, dtype and rerun.
        kinds: what a measure may begin with.

    Raises:
        UserError: no measure, an unknown kind, wrong options, or nothing on one side of the front.
    """
    found = measures_in(options, kinds)
    groups = {measure.what.group for measure in found}
    if not groups.intersection(REWARD_GROUPS) or groups.issubset({*REWARD_GROUPS, HIDDEN_GROUP}):
        raise UserError(
            f"a front needs a reward and a skill, --measure names {' and '.join(sorted(groups)) or 'none'}: "
            "give 'reward ...' or 'pairrm ...', and 'harness ...' or 'opencompass ...'"
        )
    return found


def measures_in(options: Namespace, kinds: Mapping[str, Kind]) -> list[Measure]:
    """Return what --measure names; as `measures_of`, whatever they are."""
    return [measure for text in options.measure or [] for measure in _measures(text, options, kinds)]


def _measures(text: str, options: Namespace, kinds: Mapping[str, Kind]) -> Sequence[Measure]:
    try:
        kind, *words = shlex.split(text)
    except ValueError as error:
        raise UserError(f"--measure {text!r}: {str(error).lower()}; give a kind and its options") from None
    if kind not in kinds:
        raise UserError(f"--measure {text!r}: there is no {kind!r}, give {', '.join(kinds)} and its options")
    parser = Parser(f"pareto --measure '{kind}'", "A measure of a sweep.")
    kinds[kind].add(parser)
    # lm-eval's bootstrap of some metrics takes longer than a small model.
    shared = {"scores": options.out / SCORES_NAME, "dtype": options.dtype, "rerun": options.rerun}
    own = parser.parse_args(words, Namespace(**shared))
    if getattr(own, "engine", None) == "vllm":
        raise UserError(f"--measure {text!r}: vLLM reads whole checkpoints, not averages in memory")
    if kind == "harness" and own.bootstrap is None:
        own.bootstrap = 0
    return kinds[kind].make(own)
