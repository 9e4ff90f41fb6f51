"""The report of a front as tables and sentences, and the whole of it as Markdown."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ama.report.front.estimate import Estimate
from ama.report.front.model import (
    AFTER,
    BEFORE,
    CONTINUOUS,
    PLAIN,
    REWARD,
    SHARES,
    SKILL,
    Front,
    FrontPoint,
)
from ama.report.markdown import markdown_table

_MINUS = str.maketrans("-", "\N{MINUS SIGN}")
# Where too many draws leave the number undefined.
_OPEN = "(error unknown)"
GAINS_TITLE = f"Gain over {PLAIN} at equal reward"


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: what is shown.
        value: what the table is sorted by, None where it is a text or missing.
        why: why it is missing.
    """

    text: str
    value: float | None = None
    why: str = ""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        header: of each column.
        rows: as many cells each.
        names: how many of the first columns are texts.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    names: int


def estimate_text(estimate: Estimate | None) -> str:
    """Return `61.4 ± 1.2`: a number to the second digit of its standard error, empty if it is missing."""
    if estimate is None or not estimate.known:
        return ""
    if not estimate.error:
        exact = f"{estimate.value:.{2 if abs(estimate.value) >= 10 else 3}f}"
        return (exact if estimate.error == 0 else f"{exact} {_OPEN}").translate(_MINUS)
    digits = max(0, 1 - math.floor(math.log10(estimate.error)))
    return f"{estimate.value:.{digits}f} ± {estimate.error:.{digits}f}".translate(_MINUS)


def interval_text(estimate: Estimate | None) -> str:
    """Return `0.89 [0.86, 0.93]`: a number with its 95 % interval, empty if it is missing."""
    if estimate is None or not estimate.known:
        return ""
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.3f} {_OPEN}".translate(_MINUS)
    width = estimate.high - estimate.low
    digits = min(6, max(0, 1 - math.floor(math.log10(width)))) if width > 0 else 3
    ends = f"{estimate.low:.{digits}f}, {estimate.high:.{digits}f}"
    return f"{estimate.value:.{digits}f} [{ends}]".translate(_MINUS)


def point_table(front: Front) -> Table:
    """Return a row for each point; a number that is missing is marked, with its reason."""
    scaled = front.no_tax is None
    header = ["curve", "schedule", "mean ratio"]
    header += ["scaled reward", "scaled skill", "above plain averaging"] if scaled else []
    header += [front.score_label(column.name) for column in front.columns]
    rows = []
    for point in front.points:
        cells = [
            Cell(point.curve or "parent"),
            Cell(point.schedule + ("" if point.best else " (dominated)" if point.known else " (not whole)")),
            Cell(f"{point.mean:.3f}", point.mean),
        ]
        if scaled and point.scaled is not None:
            cells += [_cell(point, found) for found in (*point.scaled, point.distance)]
        cells += [_cell(point, point.scores[column.name]) for column in front.columns]
        rows.append(cells)
    return Table(header, rows, 2)


def _cell(point: FrontPoint, estimate: Estimate | None) -> Cell:
    if estimate is None:
        return Cell("")
    if estimate.known:
        return Cell(estimate_text(estimate), estimate.value)
    return Cell(
        "failed" if point.failed else "", None, "; ".join(f"{k}: {why}" for k, why in point.failed.items())
    )


def curve_table(front: Front) -> Table:
    """Return a row for each curve: hypervolume, plain averaging's at the same means, distances."""
    header = ["curve", "points", "hypervolume"]
    header += ["plain averaging at the same means", "difference"]
    header += ["above plain averaging, points of skill", "share of the tax"]
    rows = []
    for curve in front.curves:
        estimates = (curve.hypervolume, curve.plain, curve.gain, curve.distance, curve.scaled_distance)
        count = len([number for number in curve.points if number not in (BEFORE, AFTER)])
        cells = [Cell(interval_text(found), None if found is None else found.value) for found in estimates]
        rows.append([Cell(curve.name), Cell(str(count), count), *cells])
    return Table(header, rows, 1)


def gain_table(front: Front) -> Table:
    """Return a row for each curve and mean skill: the gain at each share of the reward gain that is kept."""
    held = {(gain.curve, gain.column, gain.share): gain for gain in front.gains}
    rows = []
    for column, curve in ((column, curve) for column in (SKILL, CONTINUOUS) for curve in front.methods):
        found = [held[curve, column, share] for share in SHARES if (curve, column, share) in held]
        cells = [
            Cell(
                interval_text(gain.gain) or "not reached",
                gain.gain.value if gain.gain.known else None,
                gain.why,
            )
            for gain in found
        ]
        rows += [[Cell(curve), Cell("mean skill" if column == SKILL else column), *cells]] if cells else []
    return Table(["curve", "points of", *(f"at {100 * share:g} % kept" for share in SHARES)], rows, 2)


def choice_table(front: Front) -> Table:
    """Return a row for each point that is singled out, with its gap to each parent."""
    header = ["chosen for", "curve", "schedule", "mean ratio", "reward kept", "tax given back"]
    header += [f"{what} against {parent}" for parent in ("before", "after") for what in (REWARD, SKILL)]
    rows = []
    for choice in front.choices:
        point = front.points[choice.point]
        shares = [Cell(_share_text(found), found.value) for found in point.scaled or ()]
        gaps = [Cell(interval_text(gap), gap.value) for pair in choice.gaps for gap in pair]
        names = [choice.title, point.curve or "parent", point.schedule]
        rows.append([*map(Cell, names), Cell(f"{point.mean:.3f}", point.mean), *shares, *gaps])
    return Table(header, rows, 3)


def _share_text(estimate: Estimate) -> str:
    text = f"{estimate.value:.0%}"
    if estimate.low is not None and estimate.high is not None:
        text += f" [{estimate.low:.0%}, {estimate.high:.0%}]"
    return text.translate(_MINUS)


def seed_table(front: Front) -> Table:
    """Return a row for each curve of each sweep that was pooled."""
    header = ["sweep", *curve_table(front).header]
    rows = [[Cell(part.folders[0]), *cells] for part in front.parts for cells in curve_table(part).rows]
    return Table(header, rows, 2)


def explanations(front: Front) -> list[str]:
    """Return what the figures are, a sentence or two each."""
    errors = (
        "Errors are standard errors over seeds; brackets are Student's t intervals at 95 %."
        if front.pooled
        else "Errors are standard errors, brackets 95 % intervals, of a bootstrap that draws the items of "
        "each task anew, the same for all points."
    )
    lines = [
        "A ratio is the weight of the model before RLHF. Mean skill is over groups, percent and BLEU alike.",
        errors,
    ]
    if any(column.name == CONTINUOUS for column in front.columns):
        lines.append(
            "Continuous skill is the mean over groups of the likelihood of right answers: the geometric mean "
            "of the probabilities of an answer's tokens, in percent."
        )
    if front.gains:
        lines.append(
            "A gain at equal reward is read where a curve and plain averaging keep the same share of the "
            "reward gain, on the lines between a curve's points in the order of its ratio, mean or price; of "
            "several such places at the largest. A curve other than plain averaging is read between its own "
            "points only."
        )
    if front.no_tax is not None:
        return lines
    return [
        *lines,
        "Scaled reward is 0 before RLHF and 1 after it, scaled skill the other way round. The hypervolume is "
        "the area that a curve dominates beyond the parents' corner; the straight line between them has 0.5.",
        f"A point lies above {PLAIN} by its skill minus that curve's at the same reward; points beyond that "
        "curve's rewards have no such number, and those that are there in more than a tenth of the draws no "
        "error. Of a dominated point another one is as good in both numbers and better in one.",
        "The hypervolume takes the best of noisy points, which flatters a curve of many: compare at the same "
        "means.",
        "What is singled out was chosen on the items, or seeds, that its errors come from: they flatter it.",
    ]


def tables(front: Front) -> list[tuple[str, Table]]:
    """Return the tables that there are, with their titles."""
    found = [("Points", point_table(front))]
    if front.no_tax is None:
        found = [("Recommendation", choice_table(front)), ("Curves", curve_table(front)), *found]
    if front.gains:
        place = next(number for number, (title, _) in enumerate(found) if title == "Points")
        found.insert(place, (GAINS_TITLE, gain_table(front)))
    if front.pooled:
        found.append(("Each sweep by itself", seed_table(front)))
    return found


def front_markdown(front: Front) -> str:
    """Return the whole report as Markdown."""
    return "\n".join(_lines(front)) + "\n"


def _lines(front: Front) -> Iterator[str]:
    yield "# Reward-tax front"
    if front.no_tax is not None:
        yield from ("", front.no_tax)
    for title, table in tables(front):
        rows = [[cell.text + (f" ({cell.why})" if cell.why else "") for cell in row] for row in table.rows]
        yield from ("", f"## {title}", "", *markdown_table(table.header, rows, names=table.names))
    yield from ("", "## Notes", "", *(f"- {note}" for note in (*explanations(front), *front.notes)))
    yield from ("", "## Provenance", "", *(f"- {label}: {value}" for label, value in front.facts))
