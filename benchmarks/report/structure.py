"""The report of one run, from which the terminal, the JSON file and the page are made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stc.benchmarks.agreement.metrics import METRICS
from stc.benchmarks.agreement.proof import Proof
from stc.benchmarks.evaluation.loss import GroundTruth
from stc.benchmarks.models.candidates import Candidate
from stc.benchmarks.report.bound import DECODE, Bound
from stc.benchmarks.timing.growth import growth
from stc.benchmarks.timing.intervals import Interval, Percentiles, percentile, ratio, variation
from stc.benchmarks.timing.schedule import Samples
from stc.runtime.bundle.passport import Passport
from stc.runtime.stages import END_TO_END, ENGINE, INNER, MASKING

Array = NDArray[Any]
SCHEMA = 1  # of the JSON file; docs/bench-report.md
HEADLINES = (ENGINE, END_TO_END)
Verdict = Literal["pass", "fail", "unproven"]


def outer_stages(stages: Iterable[str]) -> list[str]:
    """The stages that add up to "end_to_end"."""
    return [name for name in stages if name not in {*INNER, END_TO_END}]


@dataclass(frozen=True)
class Memory:
    """MiB of the whole process; None where the system does not tell. peak: the most it ever held. growth: of resident
    memory per 1,000 frames of every model, None also where none is found; one that was not found is below
    `growth_below`."""

    peak: float | None
    growth: float | None
    growth_below: float | None

    @classmethod
    def of(cls, resident: Sequence[int], peak: int | None, frames: int) -> Memory:
        """resident: bytes after each round; frames: of one model in a round."""
        seen = growth(resident)
        found, below = (None, None) if seen is None else (seen.found, seen.below)
        return cls(_mib(peak), *(None if slope is None else _mib(1000 * slope / frames) for slope in (found, below)))


@dataclass(frozen=True)
class ModelReport:
    """One model. `stages` in milliseconds, in the order of the work; those in `INNER` are inside "engine".

    load_mib: resident memory that came with loading, packages included; device_mib: GPU memory that came with it, of
    all processes; None where the system does not tell. fps: frames over the wall time of its turns. variation:
    coefficient of variation of the end-to-end times.
    unaccounted: fraction of the mean end-to-end time that is in no stage (serial scenarios; else None). bound: which
    part of a frame is the slowest. late, dropped: frames of a paced source.
    """

    label: str
    name: str
    engine: str
    device: str
    mask_head: str
    precision: str
    input_size: tuple[int, int]
    frames: int
    fps: float
    objects: float
    stages: dict[str, Percentiles]
    intervals: dict[str, dict[str, Interval]]
    variation: float
    unaccounted: float | None
    bound: Bound
    late: int
    dropped: int
    load_mib: float | None
    device_mib: float | None
    verdict: Verdict
    failures: tuple[str, ...]
    proof: Proof | None
    ground_truth: GroundTruth | None
    passport: Passport
    samples: Samples

    def to_dict(self) -> dict[str, Any]:
        """Its block in the JSON file. All samples are in it, in milliseconds, rounded to the microsecond."""
        values = {f: getattr(self, f) for f in self.__dataclass_fields__ if f not in {"name", "proof", "samples"}}
        agreement = None if self.proof is None else self.proof.agreement.to_dict()
        return {
            "model": self.name,
            **values,
            "input_size": list(self.input_size),
            "passport": {name: getattr(self.passport, name) for name in ("checkpoint", "precision", "engine", "tools")},
            "stages": {name: asdict(value) for name, value in self.stages.items()},
            "bound": asdict(self.bound),
            "intervals": {
                stage: {name: [i.low, i.high] for name, i in intervals.items()}
                for stage, intervals in self.intervals.items()
            },
            "agreement": None if agreement is None else {m.name: agreement[m.name] for m in METRICS if m.headline},
            "proof": None if self.proof is None else _proof(self.proof),
            "ground_truth": None if self.ground_truth is None else self.ground_truth.to_dict(),
            "failures": list(self.failures),
            "samples_ms": {
                name: np.round(np.concatenate(self.samples.stage(name)) * 1e3, 3).tolist()
                for name in self.samples.stages
            },
        }


@dataclass(frozen=True)
class Ratio:
    """How many times as long `model` takes as `baseline`: medians, with intervals of 99 % confidence."""

    model: str
    baseline: str
    end_to_end: Interval
    engine: Interval

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Report:
    """scenario: its name and settings. decode: of the source's frames, in no other number; None for recorded frames.
    function_body: what the native library is worth; None where that was not measured."""

    scenario: dict[str, Any]
    source: str
    source_size: tuple[int, int]
    mask_form: str
    decode: Percentiles | None
    models: tuple[ModelReport, ...]
    ratios: tuple[Ratio, ...]
    function_body: dict[str, Any] | None
    memory: Memory
    environment: dict[str, str]
    cautions: tuple[str, ...]
    stable: bool
    interrupted: bool

    @property
    def setting(self) -> str:
        """The scenario in words."""
        return ", ".join(str(value) if name == "name" else f"{name} {value}" for name, value in self.scenario.items())

    @property
    def verdict(self) -> Verdict:
        """The worst of all models."""
        verdicts = {model.verdict for model in self.models}
        return "fail" if "fail" in verdicts else "unproven" if "unproven" in verdicts else "pass"

    def to_dict(self) -> dict[str, Any]:
        """The JSON file: the top level describes the first model."""
        models = [model.to_dict() for model in self.models]
        return {
            "schema": SCHEMA,
            **models[0],
            "scenario": self.scenario,
            "source": self.source,
            "source_size": list(self.source_size),
            "mask_form": self.mask_form,
            "decode": None if self.decode is None else asdict(self.decode),
            "function_body": self.function_body,
            "memory_mib": asdict(self.memory),
            "environment": self.environment,
            "cautions": list(self.cautions),
            "stable": self.stable,
            "interrupted": self.interrupted,
            "models": models,
            "ratios": [ratio.to_dict() for ratio in self.ratios],
        }


def model_report(
    candidate: Candidate,
    samples: Samples,
    proof: Proof | None,
    frame_size: tuple[int, int],
    decode: Percentiles | None,
    truth: GroundTruth | None = None,
    *,
    serial: bool,
) -> ModelReport:
    """frame_size: (H, W) of the source. decode: of its frames. truth: what was lost of float32's score. serial: nothing
    of a frame overlaps, so its stages must add up.
    """
    session = candidate.session
    lost = () if truth is None else truth.failures
    stages = {name: np.concatenate(samples.stage(name)) for name in samples.stages}
    whole = stages[END_TO_END].mean()
    means = {name: 1e3 * float(seconds.mean()) for name, seconds in stages.items()}
    return ModelReport(
        label=candidate.label,
        name=session.passport.name,
        engine=session.engine,
        device=session.device,
        mask_head=session.mask_head,
        precision=candidate.precision,
        input_size=session.passport.letterbox(frame_size).input_size,
        frames=samples.frames,
        fps=samples.frames / sum(turn.wall for turn in samples.turns),
        objects=float(np.mean([count for turn in samples.turns for count in turn.objects])),
        stages={name: Percentiles.of(seconds) for name, seconds in stages.items()},
        intervals={
            name: {f"p{q}_ms": _milliseconds(percentile(samples.stage(name), q)) for q in (50, 99)}
            for name in HEADLINES
        },
        variation=variation(stages[END_TO_END]),
        unaccounted=float(1 - sum(stages[name].mean() for name in outer_stages(stages)) / whole) if serial else None,
        bound=Bound.of(
            means | ({} if decode is None else {DECODE: decode.mean_ms}),
            serial=serial,
            whole_frames=session.takes_frames is not None,
        ),
        late=sum(turn.late for turn in samples.turns),
        dropped=sum(turn.dropped for turn in samples.turns),
        load_mib=_mib(candidate.resident),
        device_mib=_mib(candidate.device_memory),
        verdict="fail" if lost else "unproven" if proof is None else proof.agreement.verdict,
        failures=(() if proof is None else proof.agreement.failures) + lost,
        proof=proof,
        ground_truth=truth,
        passport=session.passport,
        samples=samples,
    )


def ratios(labels: Sequence[str], samples: Sequence[Samples]) -> tuple[Ratio, ...]:
    """Every other model over the first one, from the rounds in which both had their turn."""
    first, *others = zip(labels, samples, strict=True)
    return tuple(
        Ratio(label, first[0], *(_ratio(own, first[1], name) for name in (END_TO_END, ENGINE))) for label, own in others
    )


def function_body(native: Samples, plain: Samples) -> dict[str, Any]:
    """Medians of engine and masks with the native library and without, in milliseconds, and the ratio of the medians of
    their sums."""
    values: dict[str, Any] = {"frames": plain.frames}
    sums = []
    for prefix, samples in (("native_", native), ("", plain)):
        stages = {name: np.concatenate(samples.stage(name)) for name in (ENGINE, MASKING)}
        values |= {f"{prefix}{name}_p50_ms": float(np.median(seconds)) * 1e3 for name, seconds in stages.items()}
        sums.append(float(np.median(stages[ENGINE] + stages[MASKING])))
    return values | {"ratio": sums[1] / sums[0]}


def _ratio(samples: Samples, baseline: Samples, stage: str) -> Interval:
    rounds = min(len(samples.turns), len(baseline.turns))
    return ratio(samples.stage(stage)[:rounds], baseline.stage(stage)[:rounds])


def _mib(size: float | None) -> float | None:
    return None if size is None else size / 2**20


def _milliseconds(seconds: Interval) -> Interval:
    return Interval(seconds.value * 1e3, seconds.low * 1e3, seconds.high * 1e3)


def _proof(proof: Proof) -> dict[str, Any]:
    return {
        "reference": proof.truth.origin,
        **proof.agreement.to_dict(),
        "stages": [{**asdict(stage), "diverged": stage.diverged} for stage in proof.stages],
    }
