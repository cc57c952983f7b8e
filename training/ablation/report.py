"""Paired differences over seeds, what they mean by a rule that was fixed before, and the page and plot of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev

from stc.files import atomic_path
from stc.training.ablation.results import REFERENCE, Result
from stc.training.ablation.variants import STAGES

EFFECT = 0.02
# The 97.5 % quantile of Student's t with 1, 2, ... degrees of freedom; the last serves for more.
T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120)
RULE = """\
Decided before any run: what is compared is one thing changed, with the same initial weights and the same batches of
the same seed. **A difference below 2 points is no effect**, whatever its interval. One of 2 points or more is an effect
where its 95 % interval (Student's t, paired over seeds) leaves out 0, and undecided otherwise. The intervals are over
seeds, not over scenes: they say whether these terms help on these scenes. Of so many comparisons some look like effects
by chance: a default follows a variant only where one is an effect and no other has the opposite sign by 2 points.
"""
SCALE = """\
What a run at scale would have to show. The trunk is frozen here, so a term can only help the part that it trains. STC's
claim is for a whole network: both frames' gradients in the trunk, on YouTube-VIS 2019 (2,238 clips of real motion, 40
classes), ResNet-50, 12 epochs, at least five paired seeds each of (both directions; one direction with twice the pairs)
and of (with; without the consistency term), scored by AP and by the association above on clips left out. The reverse
direction would have to beat its control, not only one direction with the same pairs, whose anchors are half as many;
and the consistency term would have to raise AP on clips beside the dice of crossed masks, which is what it is trained
for. 2 points in the mean, intervals clear of 0, would be evidence. It is a matter of GPU days.
"""


MEASURES = {
    "embedding": """\
Tracking towers trained from scratch on the frozen pyramid. How often, of an object and at least two of its class in
another frame of its scene, the one with the nearest embedding is itself: of all objects, each at its location of the
best score, and of the detected ones alone, by a mask with IoU 0.5 and a score that the model gives out.
""",
    "crossover": """\
Pyramid, heads and mask branch trained on from the checkpoint, the backbone frozen. Of an object in two frames, crossed:
dice of the mask that the first frame's filters make in the second; own: of the second's own; steady: 1 less the change
of the mask's IoU.
""",
}


@dataclass(frozen=True)
class Difference:
    """Of a variant and the first of its stage, in shares: mean, half of the 95 % interval, and of how many seeds."""

    mean: float
    half: float
    seeds: int

    @property
    def verdict(self) -> str:
        if abs(self.mean) < EFFECT:
            within = abs(self.mean) + self.half < EFFECT
            return "none (2 points excluded)" if within else "none"
        return ("better" if self.mean > 0 else "worse") if self.half < abs(self.mean) else "undecided"


def difference(ours: Mapping[int, float], theirs: Mapping[int, float]) -> Difference | None:
    """Of scores by seed, over the seeds that both have; None for fewer than two."""
    each = [ours[seed] - theirs[seed] for seed in ours if seed in theirs]
    if len(each) < 2:
        return None
    half = T[min(len(each) - 1, len(T)) - 1] * stdev(each) / sqrt(len(each))
    return Difference(fmean(each), half, len(each))


def page(results: Sequence[Result]) -> str:
    """Markdown: the rule, and of each stage the means over the seeds and the differences."""
    parts = ["# A fair trial of STC's two terms\n", RULE]
    for stage, variants in STAGES.items():
        if table := _by_variant(results, stage):
            counts = next(result.counts for result in results if result.stage == stage)
            parts += [f"## {stage.capitalize()}\n", MEASURES[stage], _means(table, counts)]
            parts += [f"Minus *{next(iter(variants))}*, in points, and what it says:\n", _differences(table, stage)]
    return "\n".join([*parts, SCALE])


def plot(results: Sequence[Result], path: Path) -> None:
    """One panel a stage: each difference with its interval, and the band that counts as none."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    found = {stage: list(_compared(_by_variant(results, stage), stage)) for stage in STAGES}
    rows = max(1, *map(len, found.values()))
    figure, axes = pyplot.subplots(1, len(found), figsize=(8 * len(found), 0.22 * rows + 1.5), squeeze=False)
    for axis, (stage, differences) in zip(axes[0], found.items(), strict=True):
        for row, (_, _, one) in enumerate(differences):
            axis.errorbar(100 * one.mean, row, xerr=100 * one.half, fmt="o", color="black", capsize=3, markersize=3)
        axis.axvspan(-100 * EFFECT, 100 * EFFECT, alpha=0.15)
        axis.axvline(0, color="black", linewidth=0.5)
        labels = [f"{variant}: {measure}" for variant, measure, _ in differences]
        axis.set(title=stage, xlabel=f"points above {next(iter(STAGES[stage]))}", yticks=range(len(labels)))
        axis.set_yticklabels(labels, fontsize=7)
        axis.invert_yaxis()
    figure.tight_layout()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=100)
    pyplot.close(figure)


Table = dict[str, dict[str, dict[int, float]]]  # variant -> measure -> seed -> share


def _by_variant(results: Sequence[Result], stage: str) -> Table:
    table: Table = {}
    for result in results:
        if result.stage == stage:
            for measure, value in result.scores.items():
                table.setdefault(result.variant, {}).setdefault(measure, {})[result.seed] = value
    return table


def _measures(table: Table) -> list[str]:
    return list(dict.fromkeys(measure for scores in table.values() for measure in scores))


def _compared(table: Table, stage: str) -> Iterator[tuple[str, str, Difference]]:
    """(variant, measure, its difference from the first variant), where there is one."""
    first, *others = STAGES[stage]
    for variant in others:
        for measure in _measures(table):
            one, two = (table.get(name, {}).get(measure, {}) for name in (variant, first))
            if (found := difference(one, two)) is not None:
                yield variant, measure, found


def _means(table: Table, counts: Mapping[str, float]) -> str:
    """One row a measure, one column a variant: mean ± standard deviation over the seeds."""
    seeds = {variant: max(map(len, scores.values()), default=0) for variant, scores in table.items()}
    heads = [f"{name}, untrained" if _untrained(table[name]) else f"{name}, {seeds[name]} seeds" for name in table]
    rows = [
        [f"{measure} (n {counts.get(measure, 0):.0f})", *(_cell(scores.get(measure, {})) for scores in table.values())]
        for measure in _measures(table)
    ]
    return _markdown(["", *heads], rows)


def _untrained(scores: Mapping[str, Mapping[int, float]]) -> bool:
    return any(REFERENCE in by_seed for by_seed in scores.values())


def _cell(by_seed: Mapping[int, float]) -> str:
    if not by_seed:
        return ""
    values = list(by_seed.values())
    return f"{fmean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")


def _differences(table: Table, stage: str) -> str:
    cells = {
        (variant, measure): f"{100 * one.mean:+.1f} ± {100 * one.half:.1f}, {one.verdict}"
        for variant, measure, one in _compared(table, stage)
    }
    others = list(STAGES[stage])[1:]
    rows = [[measure, *(cells.get((variant, measure), "") for variant in others)] for measure in _measures(table)]
    return _markdown(["", *others], rows)


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
