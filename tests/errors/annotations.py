"""Annotations and results that cannot be scored."""

from __future__ import annotations

import json
from typing import Any

from tests.benchmarks.evaluation import annotated
from tests.errors.cases import Place, case
from tests.run_lengths import compressed, wrapping


def evaluate(place: Place, annotations: Any, results: Any = ()) -> None:
    from stc.benchmarks.evaluation.main import main

    paths = place.bundle / "annotations.json", place.bundle / "results.json"
    for path, content in zip(paths, (annotations, results), strict=True):
        if content is not None:
            path.write_text(content if isinstance(content, str) else json.dumps(content))
    main(["--data", str(paths[0]), "--results", str(paths[1])])


@case
def annotations_missing(place: Place) -> None:
    evaluate(place, None)


@case
def annotations_no_json(place: Place) -> None:
    evaluate(place, "[" * 100_000)


@case
def annotations_no_list(place: Place) -> None:
    evaluate(place, {"videos": [], "annotations": []})


@case
def annotations_hidden(place: Place) -> None:
    evaluate(place, {"videos": [], "categories": [], "annotations": None})


@case
def masks_runs(place: Place) -> None:
    truth, found = annotated.videos()
    found[0]["segmentations"][0]["counts"] = compressed(wrapping(60 * 96))
    evaluate(place, truth, found)


@case
def results_of_pictures(place: Place) -> None:
    evaluate(place, annotated.videos()[0], annotated.pictures()[1])
