"""A session on a model that a server of Triton's protocols runs gives what a local session gives."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stc.errors import IncompatibleError, InputError, MissingDependencyError
from stc.export.triton.repository import write
from stc.runtime import Session
from stc.runtime.backends.triton import TritonBackend
from tests.runtime import tiny_model
from tests.runtime.backends.triton_server import SERVERS, Model

FRAMES = [
    tiny_model.frame((0, (8 + i, 12, 40 + i, 44)), (1, (50, 8 + i, 80, 30 + i)), size=(120, 200)) for i in range(6)
]


def repository(folder: Path, batch: tuple[int, int, int] = (1, 2, 4)) -> Path:
    """Of the tiny model, exported for that batch."""
    tiny_model.write_bundle(folder / "bundle", replace(tiny_model.PASSPORT, flags={"batch": list(batch)}))
    return write(folder / "bundle", folder / "repository").path


@pytest.fixture(params=SERVERS)
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def served(tmp_path: Path, protocol: str) -> Iterator[tuple[str, Model]]:
    model = Model(repository(tmp_path), "tiny")
    with SERVERS[protocol](model) as url:
        yield url, model


def session(url: str) -> Session:
    backend = TritonBackend(url, "tiny")
    return Session.from_backend(backend, backend.passport, f"{url}/tiny")


def assert_same(ours: Any, theirs: Any) -> None:
    """Bit for bit: the same ONNX Runtime computes both, and numbers travel as they are."""
    for name in ("boxes", "scores", "labels", "track_ids", "handles", "embeddings"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    assert ours.masks.rle() == theirs.masks.rle()


def test_a_stream_is_that_of_a_local_session(served: tuple[str, Model], tmp_path: Path) -> None:
    url, _ = served
    with session(url) as remote, Session(tmp_path / "bundle", threads=1, native=False) as local:
        a, b = remote.stream(), local.stream()
        for frame in FRAMES:
            result = a(frame)
            assert len(result) == 2
            assert_same(result, b(frame))
        assert a(np.full((60, 96, 3), 77, np.uint8)).track_ids.shape == (0,)


def test_a_batch_travels_as_one_request(served: tuple[str, Model], tmp_path: Path) -> None:
    url, model = served
    pictures = np.stack([tiny_model.frame((slot, (8, 8, 40, 40))) for slot in range(4)])
    with session(url) as remote, Session(tmp_path / "bundle", threads=1, native=False) as local:
        assert remote.batches == (1, 4)
        found, expected = remote.infer(pictures), local.infer(pictures)
        assert found.keys() == expected.keys()
        for name, array in expected.items():
            np.testing.assert_array_equal(found[name], array)
        with pytest.raises(InputError, match="takes 1 to 4 pictures at once; got 5"):
            remote.infer(pictures[[0, 1, 2, 3, 0]])
    assert model.batch_sizes == [4]


def test_a_range_above_one_is_sent_whole(tmp_path: Path, protocol: str) -> None:
    model = Model(repository(tmp_path, (2, 2, 3)), "tiny")
    assert model.config.max_batch_size == 0
    with SERVERS[protocol](model) as url, session(url) as remote:
        assert remote.batches == (2, 3)
        assert remote.infer(np.stack([tiny_model.frame()] * 3))["num_detections"].tolist() == [0, 0, 0]


def test_streams_run_in_threads_of_their_own(served: tuple[str, Model], tmp_path: Path) -> None:
    url, _ = served
    with session(url) as remote, Session(tmp_path / "bundle", threads=1, native=False) as local:

        def run(session: Session) -> list[Any]:
            stream = session.stream()
            return [stream(frame) for frame in FRAMES]

        with ThreadPoolExecutor(3) as pool:
            runs = list(pool.map(run, [remote] * 3))
        expected = run(local)
        for results in runs:
            for result, same in zip(results, expected, strict=True):
                assert_same(result, same)


def test_another_model_than_its_passport_says_is_refused(served: tuple[str, Model]) -> None:
    url, model = served
    model.config.output[1].dims[0] = 7
    with pytest.raises(IncompatibleError, match="not the model its passport describes"):
        session(url)


def test_an_altered_passport_is_refused(served: tuple[str, Model]) -> None:
    url, model = served
    parameter = model.config.parameters["stc.passport"]
    parameter.string_value = parameter.string_value.replace('"cat"', '"cow"')
    with pytest.raises(IncompatibleError, match="altered after export"):
        TritonBackend(url, "tiny")


def test_a_model_of_somebody_else_is_refused(served: tuple[str, Model]) -> None:
    url, model = served
    model.config.parameters.clear()
    with pytest.raises(IncompatibleError, match=r"no stc.passport, so not a model of stc"):
        TritonBackend(url, "tiny")


def test_a_model_that_the_server_does_not_have(served: tuple[str, Model]) -> None:
    url, _ = served
    with pytest.raises(InputError, match=f"{re.escape(url)}/other: the Triton server did not answer .*unknown model"):
        TritonBackend(url, "other")


def test_a_server_that_is_not_there(protocol: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused at once
        url = f"{protocol}://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(InputError, match="the Triton server did not answer"):
            TritonBackend(url, "tiny", timeout=5)


def test_a_server_that_does_not_answer(protocol: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with pytest.raises(InputError, match="the Triton server did not answer"):
            TritonBackend(f"{protocol}://127.0.0.1:{silent.getsockname()[1]}", "tiny", timeout=0.5)


def test_a_url_of_another_kind() -> None:
    with pytest.raises(InputError, match="not a Triton server; give grpc://HOST:8001 or http://HOST:8000"):
        TritonBackend("localhost:8000", "tiny")


def test_without_tritonclient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tritonclient.grpc", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'stc-trt\[triton\]'"):
        TritonBackend("grpc://localhost:8001", "tiny")
