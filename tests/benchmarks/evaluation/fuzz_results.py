"""Result files in YouTube-VIS and in COCO form, scored against valid annotations."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

from stc.benchmarks.evaluation.main import main
from tests.benchmarks.evaluation import annotated


def cases(folder: Path) -> Callable[[random.Random], object]:
    both = annotated.videos(), annotated.pictures()
    data, results, scores = (folder / name for name in ("data.json", "results.json", "scores.json"))
    command = ["--data", str(data), "--results", str(results), "--json", str(scores)]
    for truth, found in both:
        data.write_text(json.dumps(truth))
        results.write_text(json.dumps(found))
        main(command)

    def case(r: random.Random) -> None:
        truth, found = r.choice(both)
        data.write_text(json.dumps(truth))
        results.write_bytes(annotated.mutated(r, found))
        main([*command, *(["--intervals"] if r.random() < 0.01 else [])])  # they take time
        json.loads(scores.read_text(), parse_constant=int)  # no NaN and no Infinity in it

    return case
