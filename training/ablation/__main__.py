"""What the parts of STC's learning are worth: the same training without one of them, over several seeds.

`python -m stc.training.ablation -o runs/ablation --init BACKBONE` makes the data (moving shapes that cross each other,
`stc.training.shapes`), trains, exports and scores every variant with every seed, and writes table and plot. A run that
was interrupted goes on where it stopped.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

from stc.cli import Parser, command
from stc.errors import InputError, MissingDependencyError, StcError
from stc.files import atomic_path, sha256, write_json, write_text
from stc.training.config import RECIPES

if TYPE_CHECKING:
    from stc.model.network import STC
    from stc.training.data.annotations import Dataset

INPUT = (128, 224)  # (H, W): the size of the shapes' frames
TRAIN_SEED, TEST_SEED = 1, 2  # of the clips; fixed, so that everybody has the same
METRICS = {"AP": "AP", "AP50": "AP50", "HOTA": "HOTA", "IDF1": "IDF1", "IDSW": "id switches"}
EVALUATOR = "stc.benchmarks.evaluation.main"
UNPROVEN = 3  # stc-export's frames show photographs, in which a model of shapes finds too little for a proof


@dataclass(frozen=True)
class Variant:
    """Settings that differ from the recipe; `tracked` False leaves the tracking head out of the model."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    tracked: bool = True


QUESTIONS = {
    "full": Variant(),
    "no tracking head": Variant(tracked=False),
    "no reverse direction": Variant({"directions": "key-to-reference"}),
    "no consistency": Variant({"consistency": "none"}),
}
VARIANTS = QUESTIONS | {
    "filters": Variant({"consistency": "filters", "consistency_weight": 0.01}),
    "embedding": Variant({"consistency": "embedding", "consistency_weight": 0.01}),
    "infonce": Variant({"contrast_form": "infonce", "similarity": "cosine", "temperature": 0.1}),
    "no background": Variant({"max_background": 0}),
    "no auxiliary": Variant({"cosine_weight": 0.0}),
}
Scores = dict[str, list[dict[str, float]]]  # variant -> the metrics of each seed


def ablate(
    folder: Path, variants: Sequence[str], *, seeds: int, steps: int, clips: int, init: Path | None, batch_pairs: int
) -> Scores:
    """Train and score what is not yet in `folder`. Raises StcError when a part fails; what was done stays.

    Raises InputError when `folder` holds an ablation of other size or weights, MissingDependencyError without stc-eval.
    """
    if importlib.util.find_spec(EVALUATOR.rpartition(".")[0]) is None:
        raise MissingDependencyError(
            f"{EVALUATOR} is missing, so nothing could be scored; install a version with stc-eval"
        )
    _same_plan(folder, {"steps": steps, "clips": clips, "pairs": batch_pairs, "init": init and sha256(init)})
    from stc.training.data.annotations import Source
    from stc.training.data.index import read_all
    from stc.training.shapes.draw import write_shapes

    train, test = folder / "data" / "train", folder / "data" / "test"
    dataset = read_all([Source(write_shapes(train, clips, TRAIN_SEED), train)], split="train")
    write_shapes(test, max(1, clips // 3), TEST_SEED)
    scores: Scores = {name: [] for name in variants}
    for seed in range(seeds):  # all variants of a seed first: an interrupted ablation still compares
        for name in variants:
            one = folder / f"{name.replace(' ', '-')}-{seed}"
            if not (one / "scores.json").is_file():
                print(f"{name}, seed {seed}", file=sys.stderr)
                _train(one, VARIANTS[name], dataset, seed=seed, steps=steps, init=init, batch_pairs=batch_pairs)
                _score(one, test)
            mean = json.loads((one / "scores.json").read_text(encoding="utf-8"))["mean"]
            scores[name].append({metric: float(mean[metric] or 0.0) for metric in METRICS})
    return scores


def _same_plan(folder: Path, plan: dict[str, Any]) -> None:
    """Runs of different length or data are not compared."""
    path = folder / "plan.json"
    if path.is_file():
        if (found := json.loads(path.read_text(encoding="utf-8"))) != plan:
            raise InputError(f"{folder} holds an ablation with {found}, not {plan}; choose another --output")
    else:
        write_text(path, json.dumps(plan) + "\n")


def _train(
    folder: Path, variant: Variant, dataset: Dataset, *, seed: int, steps: int, init: Path | None, batch_pairs: int
) -> None:
    from stc.training.data.pairs import PairSource
    from stc.training.loop import train
    from stc.training.run_folder import LAST
    from stc.training.state import Length, load_run, new_run

    if (folder / LAST).is_file():
        run = load_run(folder, dataset.fingerprint)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        config = replace(RECIPES["stc-lite"], seed=seed, batch_pairs=batch_pairs, freeze=init is not None)
        model = initial_model(variant, dataset.classes, seed, init)
        run = new_run(model, replace(config, **variant.settings), Length(steps=steps), dataset.fingerprint)
    train(run, PairSource(dataset, run.model.config, run.config), folder, lambda: False, lambda _: None)


def initial_model(variant: Variant, classes: tuple[str, ...], seed: int, init: Path | None) -> STC:
    """Equal weights for all variants of a seed, wherever they have the same layers."""
    import torch

    from stc.model.network import STC
    from stc.training.initial import start

    torch.manual_seed(seed)
    model = start(classes, "stc-lite", init, input_size=INPUT).model
    if variant.tracked:
        return model
    bare = STC(model.config.with_(track_dim=0))
    names = set(bare.state_dict())
    bare.load_state_dict({name: value for name, value in model.state_dict().items() if name in names})
    return bare


def _score(folder: Path, data: Path) -> None:
    bundle = folder / "model"
    _run("stc.export.main", "--ckpt", folder / "ema.safetensors", "-o", bundle, "--trt", "none", also=UNPROVEN)
    files = ("--data", data / "annotations.json", "--frames", data, "--json", folder / "scores.json")
    _run(EVALUATOR, "--model", bundle, *files)


def _run(module: str, *arguments: object, also: int = 0) -> None:
    """A command of ours in a process of its own; its memory goes with it."""
    command = [sys.executable, "-c", f"from {module} import entry; entry()", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in {0, also}:
        raise StcError(f"{module} {' '.join(command[3:])} ended with {done.returncode}:\n{done.stderr.strip()}")


def table(scores: Scores) -> str:
    """Markdown: mean ± standard deviation over the seeds of every metric."""
    lines = ["| variant | seeds | " + " | ".join(METRICS.values()) + " |", "| --- " * (len(METRICS) + 2) + "|"]
    for name, runs in scores.items():
        cells = [_cell(metric, [run[metric] for run in runs]) for metric in METRICS]
        lines.append(f"| {name} | {len(runs)} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(metric: str, values: Sequence[float]) -> str:
    digits = 1 if metric == "IDSW" else 3
    spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{fmean(values):.{digits}f}{spread}"


def plot(scores: Scores, path: Path) -> None:
    """One panel a metric: every seed a dot, the mean a line."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, len(METRICS), figsize=(3.2 * len(METRICS), 0.5 * len(scores) + 1.5), sharey=True)
    for axis, (metric, title) in zip(axes, METRICS.items(), strict=True):
        for row, runs in enumerate(scores.values()):
            values = [run[metric] for run in runs]
            axis.scatter(values, [row] * len(values), s=18)
            axis.vlines(fmean(values), row - 0.3, row + 0.3, color="black")
        axis.set(title=title, yticks=range(len(scores)), yticklabels=list(scores))
        axis.grid(alpha=0.3)
    axes[0].invert_yaxis()
    figure.tight_layout()
    with atomic_path(path) as temporary:
        figure.savefig(temporary)
    pyplot.close(figure)


def main(argv: Sequence[str]) -> int:
    parser = Parser(prog="python -m stc.training.ablation", description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="data, runs, table and plot")
    parser.add_argument("--init", type=Path, metavar="FILE", help="ImageNet weights of EfficientNet-Lite0")
    parser.add_argument("--variants", metavar="A,B", help=f"default: {','.join(QUESTIONS)}; also {_others()}")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="trainings a variant (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=2000, metavar="N", help="of each (default: %(default)s)")
    parser.add_argument("--clips", type=int, default=60, metavar="N", help="to train on, a third as many to test on")
    parser.add_argument("--pairs", type=int, default=4, metavar="N", help="of frames in a batch (default: %(default)s)")
    arguments = parser.parse_args(argv)
    variants = arguments.variants.split(",") if arguments.variants else list(QUESTIONS)
    if unknown := [name for name in variants if name not in VARIANTS]:
        raise InputError(f"--variants {unknown[0]}: not one of {', '.join(VARIANTS)}")
    if arguments.init and not arguments.init.is_file():
        raise InputError(f"--init {arguments.init}: no such file")
    if min(arguments.seeds, arguments.steps, arguments.clips, arguments.pairs) < 1:
        raise InputError("--seeds, --steps, --clips and --pairs must be 1 or more")
    counts = {"seeds": arguments.seeds, "steps": arguments.steps, "clips": arguments.clips}
    scores = ablate(arguments.output, variants, init=arguments.init, batch_pairs=arguments.pairs, **counts)
    write_json(arguments.output / "ablation.json", scores)
    write_text(arguments.output / "ablation.md", table(scores))
    plot(scores, arguments.output / "ablation.png")
    print(table(scores), end="")
    return 0


def _others() -> str:
    return ",".join(name for name in VARIANTS if name not in QUESTIONS)


if __name__ == "__main__":
    command(main)()
