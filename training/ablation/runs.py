"""All runs of a trial, as many at once as there are processors, each in one thread; what is done is on disk at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from stc.model.network import STC
from stc.training.ablation.cache import Seen, load_seen
from stc.training.ablation.crossover import stability, train_heads
from stc.training.ablation.embeddings import association, raw_vectors, train_tower, vectors_of
from stc.training.ablation.material import FROZEN_SHARE, frozen_path
from stc.training.ablation.results import REFERENCE, Result, read_results, write_results
from stc.training.ablation.scenes import Scenes
from stc.training.ablation.variants import CROSSOVER, EMBEDDING, STAGES

RAW, SHIPPED = "the pyramid's feature", "the checkpoint"  # what nobody trained here
Run = tuple[str, str, int]  # stage, variant, seed


@dataclass(frozen=True)
class Trial:
    """steps, crossover_steps: of a run of each stage."""

    model: STC
    pairs: list[Path]
    scenes: Scenes
    seeds: int
    steps: int
    crossover_steps: int

    def plan(self) -> list[Run]:
        """All variants of a seed one after the other: an interrupted trial still compares."""
        untrained = [
            ("embedding", RAW, REFERENCE),
            ("embedding", SHIPPED, REFERENCE),
            ("crossover", SHIPPED, REFERENCE),
        ]
        return untrained + [
            (stage, name, seed) for stage in STAGES for seed in range(self.seeds) for name in STAGES[stage]
        ]

    def result(self, run: Run, seen: Mapping[Path, Seen]) -> Result:
        stage, variant, seed = run
        if stage == "crossover":
            model = self.model
            if seed != REFERENCE:
                frozen = [frozen_path(path) for path in self.pairs[::FROZEN_SHARE]]
                model = train_heads(model, frozen, CROSSOVER[variant], self.crossover_steps, seed)
            return Result(*run, *stability(model, self.scenes))
        if variant == RAW:
            return Result(*run, *association(self.scenes, seen, raw_vectors(seen)))
        head = self.model.head
        if seed != REFERENCE:
            head = train_tower(self.model.config, self.pairs, EMBEDDING[variant], self.steps, seed)
        return Result(*run, *association(self.scenes, seen, vectors_of(head, seen)))


def carry_out(trial: Trial, folder: Path, workers: int, report: Callable[[list[Result]], None]) -> list[Result]:
    """The results of all runs in the order of the plan; those in `folder` are not made again, new ones are added there.

    report: is given what there is after each run.
    """
    plan = trial.plan()
    results = [result for result in read_results(folder) if (result.stage, result.variant, result.seed) in plan]
    done = {(result.stage, result.variant, result.seed) for result in results}
    seen = {path: load_seen(path) for path in trial.scenes.paths()}
    with ThreadPoolExecutor(workers) as pool:
        coming = [pool.submit(trial.result, run, seen) for run in plan if run not in done]
        try:
            for future in as_completed(coming):
                results.append(future.result())
                results.sort(key=lambda result: plan.index((result.stage, result.variant, result.seed)))
                write_results(folder, results)
                report(results)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # those that run look whether they were asked to end
            raise
    return results
