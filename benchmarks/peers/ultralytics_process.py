"""Ultralytics YOLO11n-seg with ByteTrack in a process of its own: a program for the peer's Python, which has no `stc`.

It is started with one line of JSON on stdin (`engine`, `folder`, `frames`, `size`, `threads`), answers when it is
ready, and then answers every line, a turn, with one. All that Ultralytics prints goes to stderr. As a user would, it
calls `model.track` for each frame; the network runs, and what it gives out is replaced by as many candidates as there
are objects, one each, which their suppression, masks and tracker then take.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

MODEL = "yolo11n-seg"
EXPORTS: dict[str, tuple[str, dict[str, Any]]] = {  # file, and how their exporter makes it
    "pytorch": (f"{MODEL}.pt", {}),
    "onnxruntime": (f"{MODEL}.onnx", {"format": "onnx"}),
    "openvino": (f"{MODEL}_openvino_model", {"format": "openvino"}),
    "openvino int8": (f"{MODEL}_int8_openvino_model", {"format": "openvino", "quantize": 8}),
}
SCORES = (0.95, 0.85)  # of the first and the last object


class Peer:
    def __init__(self, engine: str, folder: Path, frames: Path, size: list[int], threads: int) -> None:
        limit_threads(threads)
        ultralytics, self.torch = import_module("ultralytics"), import_module("torch")
        self.frames = np.load(frames, mmap_mode="r")
        self.size, self.objects = size, np.zeros((0, 4), np.float32)
        file = exported(ultralytics, self.torch, engine, folder, self.frames, size)
        self.options = {"imgsz": size, "rect": False, "retina_masks": True, "tracker": "bytetrack.yaml"}
        self.model = ultralytics.YOLO(str(file), task="segment")
        self.track(np.ascontiguousarray(self.frames[0]))
        self.torch.set_num_threads(threads)  # after Ultralytics has set its own
        self.predictor = self.model.predictor
        self.network, self.predictor.inference = self.predictor.inference, self.crafted
        self.engine = f"Ultralytics {ultralytics.__version__}, {version_of(engine)}"

    def track(self, frame: Any) -> Any:
        return self.model.track(frame, persist=True, device="cpu", verbose=False, **self.options)[0]

    def crafted(self, *arguments: Any, **options: Any) -> Any:
        answer = self.network(*arguments, **options)
        found, prototypes = answer[0] if isinstance(answer[0], tuple) else answer[:2]
        if self.ready is None or self.ready[0].shape != found.shape:
            raise RuntimeError(f"the network gives {tuple(found.shape)}, expected {self.ready and self.ready[0].shape}")
        return [self.ready[0], self.torch.ones_like(prototypes)]

    def prepare(self, boxes: Any) -> None:
        """Candidates in input pixels, whose coefficients give masks that fill their boxes. Suppression writes into
        them, so they are made anew for each frame, before the clock starts.
        """
        (height, width), (frame_h, frame_w) = self.size, self.frames.shape[1:3]
        scale = min(height / frame_h, width / frame_w)
        offset = np.array([width - frame_w * scale, height - frame_h * scale]) / 2
        corners = np.asarray(boxes, np.float32).reshape(-1, 2, 2) * scale + offset
        n = len(corners)
        cells = sum((height // stride) * (width // stride) for stride in (8, 16, 32))
        classes = len(self.model.names)
        found = np.zeros((1, 4 + classes + 32, cells), np.float32)
        found[0, 0:2, :n] = corners.mean(axis=1).T
        found[0, 2:4, :n] = (corners[:, 1] - corners[:, 0]).T
        found[0, 4, :n] = np.linspace(*SCORES, n)
        found[0, 4 + classes :, :n] = 1 / 32
        self.ready = (self.torch.from_numpy(found),)

    ready: tuple[Any] | None = None

    def turn(self, frames: list[int], boxes: list[Any], new: bool) -> dict[str, Any]:
        if new:
            for tracker in self.predictor.trackers:
                tracker.reset()
        turn: dict[str, Any] = {"wall": [], "cpu": [], "ids": [], "masks": []}
        for number, objects in zip(frames, boxes, strict=True):
            frame = np.ascontiguousarray(self.frames[number])
            self.prepare(objects)
            wall, cpu = perf_counter(), process_time()
            result = self.track(frame)
            ids = [] if result.boxes.id is None else result.boxes.id.numpy()
            result.boxes.xyxy.numpy()
            shape = (0, *frame.shape[:2]) if result.masks is None else result.masks.data.numpy().shape
            turn["cpu"].append(process_time() - cpu)
            turn["wall"].append(perf_counter() - wall)
            turn["ids"].append(len(ids))
            turn["masks"].append(list(shape))
        return turn


def limit_threads(threads: int) -> None:
    """Ultralytics has no option for it: their ONNX Runtime and OpenVINO get it where they are made."""
    import_module("cv2").setNumThreads(threads)
    onnxruntime: Any = import_module("onnxruntime")
    openvino: Any = import_module("openvino")

    class Session(onnxruntime.InferenceSession):  # type: ignore[misc]
        def __init__(self, model: Any, options: Any = None, **others: Any) -> None:
            options = options or onnxruntime.SessionOptions()
            options.intra_op_num_threads = threads
            super().__init__(model, options, **others)

    class Core(openvino.Core):  # type: ignore[misc]
        def compile_model(self, model: Any, device_name: Any = None, config: Any = None) -> Any:
            return super().compile_model(model, device_name, {**(config or {}), "INFERENCE_NUM_THREADS": threads})

    onnxruntime.InferenceSession, openvino.Core = Session, Core


def exported(ultralytics: Any, torch: Any, engine: str, folder: Path, frames: Any, size: list[int]) -> Path:
    """The file of an engine, made by their exporter where it is not there yet."""
    name, options = EXPORTS[engine]
    weights = folder / EXPORTS["pytorch"][0]
    if not weights.exists():  # random: as fast as trained ones
        torch.manual_seed(0)
        ultralytics.YOLO(f"{MODEL}.yaml").save(str(weights))
    if not (folder / name).exists():
        data = {"data": str(calibration(folder, frames))} if "quantize" in options else {}
        ultralytics.YOLO(str(weights)).export(imgsz=size, device="cpu", **options, **data)
    return folder / name


def calibration(folder: Path, frames: Any) -> Path:
    """A data set of the clip's frames in their layout, each with an object, for their int8."""
    cv2 = import_module("cv2")
    for kind in ("images", "labels"):
        (folder / "calibration" / kind).mkdir(parents=True, exist_ok=True)
    for number in np.linspace(0, len(frames) - 1, 32).astype(int):
        cv2.imwrite(str(folder / "calibration" / "images" / f"{number}.jpg"), frames[number])
        square = "0 0.2 0.2 0.8 0.2 0.8 0.8 0.2 0.8\n"
        (folder / "calibration" / "labels" / f"{number}.txt").write_text(square)
    names = {str(number): f"class{number}" for number in range(80)}
    data = {"path": str((folder / "calibration").resolve()), "train": "images", "val": "images", "names": names}
    (folder / "calibration.yaml").write_text(json.dumps(data))  # JSON is YAML
    return folder / "calibration.yaml"


def version_of(engine: str) -> str:
    package = {"pytorch": "torch"}.get(engine, engine.split(maxsplit=1)[0])
    return f"{package} {import_module(package).__version__}{' int8' if engine.endswith('int8') else ''}"


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever prints must not be taken for an answer
    peer: Peer | None = None
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            if peer is None:
                peer = Peer(
                    asked["engine"], Path(asked["folder"]), Path(asked["frames"]), asked["size"], asked["threads"]
                )
                answer: dict[str, Any] = {"engine": peer.engine}
            else:
                answer = peer.turn(**asked)
        except Exception as error:  # told to who asked, with the rest on stderr
            import_module("traceback").print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
