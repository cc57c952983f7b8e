"""TrackEval (Luiten et al.) on the same files: its YouTube-VIS reader and its metrics, with YouTube-VIS's limits."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import trackeval

from tests.benchmarks.evaluation.scenes import uncompressed

QUIET = {"PRINT_CONFIG": False}


def track_map(folder: Path, truth: dict[str, Any], found: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """AP, AP50, AP75, APs, APm, APl, AR100 of each class."""
    limits = {
        "AREA_RANGES": [[0, 128**2], [128**2, 256**2], [256**2, 1e10]],
        "USE_TIME_RANGES": False,
        "MAX_DETECTIONS": 100,
        "IOU_THRESHOLDS": np.linspace(0.5, 0.95, 10),  # its own are 4e-16 above 0.85, 0.9, 0.95
    }
    metric = trackeval.metrics.TrackMAP({**limits, **QUIET})
    rows = {}
    for name, values in _run(folder, truth, found, metric).items():
        rows[name] = {"AP": np.mean(values["AP_all"]), "AP50": values["AP_all"][0], "AP75": values["AP_all"][5]}
        rows[name] |= {f"AP{size}": np.mean(values[f"AP_area_{size}"]) for size in "sml"}
        rows[name]["AR100"] = np.mean(values["AR_all"])
    return rows


def identity(folder: Path, truth: dict[str, Any], found: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """HOTA, DetA, AssA, IDF1, IDSW of each class."""
    metrics = trackeval.metrics
    hota = _run(folder, truth, found, metrics.HOTA())
    identities = _run(folder, truth, found, metrics.Identity(QUIET))
    clear = _run(folder, truth, found, metrics.CLEAR(QUIET))
    return {
        name: {column: float(np.mean(hota[name][column])) for column in ("HOTA", "DetA", "AssA")}
        | {"IDF1": float(identities[name]["IDF1"]), "IDSW": float(clear[name]["IDSW"])}
        for name in hota
    }


def identity_of(iou: np.ndarray[Any, Any], objects: np.ndarray[Any, Any], tracks: np.ndarray[Any, Any]) -> list[float]:
    """HOTA, DetA, AssA, IDF1, IDSW of overlaps (T, g, d); objects (T, g) and tracks (T, d): whether they are there."""
    data = {
        "num_gt_dets": objects.sum(),
        "num_tracker_dets": tracks.sum(),
        "num_gt_ids": objects.shape[1],
        "num_tracker_ids": tracks.shape[1],
        "num_timesteps": len(iou),
        "gt_ids": [np.flatnonzero(here) for here in objects],
        "tracker_ids": [np.flatnonzero(here) for here in tracks],
        "similarity_scores": [frame[np.ix_(g, d)] for frame, g, d in zip(iou, objects, tracks, strict=True)],
    }
    metrics = trackeval.metrics
    hota = metrics.HOTA().eval_sequence(data)
    means = [float(np.mean(hota[column])) for column in ("HOTA", "DetA", "AssA")]
    return [
        *means,
        float(metrics.Identity(QUIET).eval_sequence(data)["IDF1"]),
        float(metrics.CLEAR(QUIET).eval_sequence(data)["IDSW"]),
    ]


def _run(folder: Path, truth: dict[str, Any], found: list[dict[str, Any]], metric: Any) -> dict[str, Any]:
    """Its result of each class over all videos."""
    truth = copy.deepcopy(truth)
    for entry in truth["annotations"]:
        entry["segmentations"] = [uncompressed(mask) for mask in entry["segmentations"]]
    for place, content in (("youtube_vis_x", truth), ("youtube_vis_x/ours/data", found)):
        (folder / place).mkdir(parents=True, exist_ok=True)
        (folder / place / "data.json").write_text(json.dumps(content))
    where = {"GT_FOLDER": f"{folder}/", "TRACKERS_FOLDER": f"{folder}/", "SPLIT_TO_EVAL": "x"}
    data = trackeval.datasets.YouTubeVIS({**where, "TRACKERS_TO_EVAL": ["ours"], **QUIET})
    data.global_tid_counter = 1  # TrackMAP takes a track of id 0 for none
    raw = {sequence: data.get_raw_seq_data("ours", sequence) for sequence in data.seq_list}
    return {
        name: metric.combine_sequences(
            {
                sequence: metric.eval_sequence(data.get_preprocessed_seq_data(copy.deepcopy(content), name))
                for sequence, content in raw.items()
            }
        )
        for name in data.class_list
    }
