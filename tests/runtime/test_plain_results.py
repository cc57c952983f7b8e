"""Results are plain data: they pickle, copy and pass between processes, with the same bits on every side."""

from __future__ import annotations

import copy
import inspect
import multiprocessing
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from queue import Empty
from typing import Any

import numpy as np
import pytest

import stc.runtime
import stc.runtime.video
from stc.errors import InputError, ProcessBoundError
from stc.runtime import (
    Detections,
    DeviceArray,
    DeviceFrame,
    Letterbox,
    Masks,
    Passport,
    Result,
    Session,
    Stream,
    Style,
    Tracker,
    TrackerConfig,
    TrackEvent,
    YuvFrame,
)
from stc.runtime.native.library import Library, find
from tests.runtime import tiny_model

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with Session(tiny_model.write_bundle(tmp_path_factory.mktemp("model") / "bundle")) as session:
        yield session


def results(session: Session) -> list[Result]:
    """Of a stream whose object is born, lost, and found again."""
    stream = session.stream("s")
    shown = [(0, (8, 8, 40, 40))], [(0, (10, 8, 42, 40))], [], [(0, (14, 8, 46, 40)), (1, (60, 20, 90, 50))]
    return [stream(tiny_model.frame(*objects)) for objects in (*shown, *shown)]


@pytest.fixture(scope="module")
def result(session: Session) -> Result:
    found = max(results(session), key=len)
    assert len(found) and found.masks.areas().all()
    return found


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Where two values are not the same to the last bit; masks by all their forms."""
    if type(one) is not type(other):
        return [f"{path}: {type(one)} and {type(other)}"]
    if isinstance(one, Masks):
        forms = [
            (one.dense(), other.dense()), (one.bits(), other.bits()), (one.rle(), other.rle()),
            (one.areas(), other.areas()), (one.probabilities, other.probabilities),
            (one.letterbox, other.letterbox), (one.mask_stride, other.mask_stride),
        ]  # fmt: skip
        return [line for index, pair in enumerate(forms) for line in differences(*pair, f"{path} form {index}")]
    if isinstance(one, np.ndarray):
        same = one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
        return [] if same else [path]
    if is_dataclass(one):
        names = [field.name for field in fields(one)]
        return [line for n in names for line in differences(getattr(one, n), getattr(other, n), f"{path}.{n}")]
    return [] if one == other else [path]


def by_pickle(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


def examples(session: Session, result: Result) -> dict[str, Any]:
    """One of every public class of plain data. A new class needs a line here, or below among those that refuse."""
    detections = Detections(result.boxes, result.scores, result.labels, result.embeddings)
    tracker = Tracker(TrackerConfig(rule="qdtrack"))
    update = tracker.update(detections, 0.5)
    return {
        "Detections": detections,
        "Letterbox": result.masks.letterbox,
        "Masks": result.masks,
        "Passport": session.passport,
        "Result": result,
        "Style": Style(alpha=0.5),
        "TrackedObject": next(iter(result)),
        "TrackEvent": TrackEvent("born", 1, 0, 0.5),
        "TrackUpdate": update,
        "YuvFrame": YuvFrame(*(np.full(size, 90, np.uint8) for size in ((4, 6), (2, 3), (2, 3)))),
        "Tracker": tracker,
        "TrackerConfig": TrackerConfig(max_age=3.0),
    }


REFUSED = {"DeviceArray", "DeviceFrame", "Handle", "Session", "Stream"}


def test_every_public_class_is_plain_data_or_says_why_not(session: Session, result: Result) -> None:
    public = {name for name in stc.runtime.__all__ if inspect.isclass(getattr(stc.runtime, name))}
    assert public == set(examples(session, result)) | REFUSED


WAYS: list[Callable[[Any], Any]] = [
    by_pickle,
    copy.deepcopy,
    copy.copy,
    lambda value: pickle.loads(pickle.dumps(value, 2)),
]


@pytest.mark.parametrize("way", WAYS)
def test_plain_data_is_the_same_after_the_way(session: Session, result: Result, way: Callable[[Any], Any]) -> None:
    for name, value in examples(session, result).items():
        if name != "Tracker":
            assert differences(value, way(value)) == [], name


def test_a_tracker_goes_on_where_its_copy_was_taken(session: Session) -> None:
    found = [Detections(r.boxes, r.scores, r.labels, r.embeddings) for r in results(session)]
    for rule in ("default", "crossvis", "masktrack", "qdtrack"):
        tracker = Tracker(TrackerConfig(rule=rule, confirm_hits=1))  # type: ignore[arg-type]
        for time, detections in enumerate(found[:3]):
            tracker.update(detections, float(time))
        moved = by_pickle(tracker)
        for time, detections in enumerate(found[3:], 3):
            assert differences(tracker.update(detections, float(time)), moved.update(detections, float(time))) == []


def test_events_of_every_kind_pass(session: Session) -> None:
    events = [event for result in results(session) for event in by_pickle(result).events]
    assert {"born", "lost", "recovered"} <= {event.kind for event in events}


def test_what_belongs_to_its_process_says_what_to_do(session: Session) -> None:
    array = DeviceArray(0, (1,), np.dtype(np.uint8))
    for value, advice in (
        (session, r"a session belongs to its process; make one in each: Session\(path\)"),
        (session.stream(in_flight=1).submit(tiny_model.frame()), "a handle belongs to its process, .* its result"),
        (session.stream(), r"a stream belongs to its process, .* Session\(path\)\.stream\(name\)"),
        (array, r"memory of a GPU in this process; .*Session\.infer"),
        (DeviceFrame(array), r"memory of a GPU in this process; pass on a NumPy array"),
    ):
        for way in WAYS:
            with pytest.raises(ProcessBoundError, match=advice) as error:
                way(value)
            assert isinstance(error.value, TypeError) and isinstance(error.value, InputError)
    assert isinstance(session.stream(), Stream)


def test_public_names_of_the_sources_are_covered_too() -> None:
    """A recorded frame is data; everything that is open is not asked for here."""
    from stc.runtime.video import Frame, Gap, ReconnectPolicy, Stats

    frame = Frame(np.zeros((2, 3, 3), np.uint8), 0.5, 3, "clip.mp4", (Gap(0.1, 0.4, "dropped"),))
    for value in (frame, Stats(3, 1), ReconnectPolicy(give_up=9.0)):
        for way in WAYS:
            assert differences(value, way(value)) == []


def noise(native: Library | None, seed: int = 0) -> Masks:
    """Pixels near the threshold everywhere: what NumPy and the library may decide differently, they would here."""
    rng = np.random.default_rng(seed)
    probabilities = (0.5 + 1e-8 * rng.standard_normal((4, 16, 24))).astype(np.float32)
    return Masks(probabilities, Letterbox.fit((237, 419), (64, 96), "linear", (0, 0, 0)), 4, native)


@pytest.mark.parametrize("native", [True, False])
def test_parts_of_a_copy_are_copies_of_the_parts(native: bool) -> None:
    library = find()
    assert isinstance(library, Library)
    masks = noise(library if native else None)
    moved = by_pickle(masks)
    for index in (1, -1, slice(1, 3), [2, 0], np.array([True, False, False, True]), np.array([], np.int64)):
        assert differences(by_pickle(moved[index]), by_pickle(masks[index])) == []
        np.testing.assert_array_equal(moved[index].dense(), masks[index].dense())
    for one, other in zip(moved.polygons(), masks.polygons(), strict=True):
        for ring, same in zip(one, other, strict=True):
            np.testing.assert_array_equal(ring, same)


READ = """
import pickle, sys
from pathlib import Path
from stc.runtime.native import library as native
if sys.argv[3] == "without":
    native.FILE = Path("/nonexistent")
assert isinstance(native.find(), native.Missing) == (sys.argv[3] == "without")
result = pickle.loads(Path(sys.argv[1]).read_bytes())
masks = result.masks
forms = [masks.dense(), masks.bits(), masks.rle(), masks.areas(), masks[0].dense(), masks.polygons()]
again = pickle.loads(pickle.dumps(result)).masks.dense()
assert (again == forms[0]).all()
Path(sys.argv[2]).write_bytes(pickle.dumps(forms))
"""


@pytest.mark.parametrize("sender", ["with", "without"])
@pytest.mark.parametrize("reader", ["with", "without"])
def test_a_process_without_the_library_sees_the_same_pixels(
    sender: str, reader: str, result: Result, tmp_path: Path
) -> None:
    library = find()
    assert isinstance(library, Library)
    sent = replace(result, masks=noise(library if sender == "with" else None))
    (tmp_path / "sent").write_bytes(pickle.dumps(sent))
    command = [sys.executable, "-c", READ, str(tmp_path / "sent"), str(tmp_path / "forms"), reader]
    subprocess.run(command, check=True, cwd=ROOT, env=os.environ, timeout=60)
    masks = sent.masks
    expected = [masks.dense(), masks.bits(), masks.rle(), masks.areas(), masks[0].dense(), masks.polygons()]
    assert pickle.dumps(pickle.loads((tmp_path / "forms").read_bytes())) == pickle.dumps(by_pickle(expected))


def test_a_state_holds_nothing_of_the_library() -> None:
    library = find()
    assert isinstance(library, Library)
    assert b"native" not in pickle.dumps(noise(library)) and b"ctypes" not in pickle.dumps(noise(library))


def answer(inbox: Any, outbox: Any) -> None:
    result = inbox.get(timeout=60)
    outbox.put((result, result.masks.dense()))


@pytest.mark.slow
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_results_go_there_and_back_through_queues(start: str, result: Result) -> None:
    context = multiprocessing.get_context(start)
    inbox, outbox = context.Queue(), context.Queue()
    child = context.Process(target=answer, args=(inbox, outbox))
    child.start()
    try:
        inbox.put(result)
        returned, dense = outbox.get(timeout=60)
    except Empty:
        pytest.fail("nothing came back in a minute")
    finally:
        child.join(60)
        child.kill()
    assert differences(result, returned) == []
    np.testing.assert_array_equal(dense, result.masks.dense())


def areas_of(result: Result) -> list[int]:
    areas: list[int] = result.masks.areas().tolist()
    return areas


@pytest.mark.slow
def test_results_pass_through_joblib(result: Result) -> None:
    joblib = pytest.importorskip("joblib")
    found = joblib.Parallel(n_jobs=2)(joblib.delayed(areas_of)(result) for _ in range(3))
    assert found == [areas_of(result)] * 3


@pytest.mark.slow
def test_results_pass_through_ray(result: Result) -> None:
    ray = pytest.importorskip("ray")
    if ray.is_initialized():
        pytest.skip("another test holds a cluster")
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, object_store_memory=80 << 20)
    try:
        assert differences(result, ray.get(ray.put(result))) == []
    finally:
        ray.shutdown()


def test_passports_are_read_before_and_after(session: Session) -> None:
    assert isinstance(by_pickle(session.passport), Passport)
