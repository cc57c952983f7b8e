"""Reading weight files: every common form, and a clear refusal of everything else."""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import shlex
import subprocess
import sys
import tarfile
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from stc.errors import CheckpointError
from stc.model.checkpoint.reading import files, pickles

STATE = {
    "a.weight": torch.arange(6, dtype=torch.float32).reshape(2, 3),
    "b.bias": torch.tensor([0.5, -1]),
    "n": torch.tensor(3),
}
OPTIMIZER = {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 0.1, "betas": (0.9, 0.99)}]}
FORMS: dict[str, Any] = {
    "bare": STATE,
    "ordered": OrderedDict(STATE),
    "model": {"model": STATE, "optimizer": OPTIMIZER, "iteration": 7, "scheduler": {"last_epoch": 3}},
    "state_dict": {"state_dict": STATE, "epoch": 12, "meta": {"time": "now"}},
    "model_state": {"model_state": STATE, "epoch": 12},
    "ema_state": {"ema_state": STATE},
    "model_ema": {"model_ema": STATE},
    "module": {f"module.{name}": tensor for name, tensor in STATE.items()},
    "model of module": {"model": {f"module.{name}": tensor for name, tensor in STATE.items()}},
    "parameters": {name: torch.nn.Parameter(tensor.float()) for name, tensor in STATE.items()},
}


def assert_state(found: dict[str, torch.Tensor]) -> None:
    assert set(found) == set(STATE)
    for name, tensor in STATE.items():
        assert torch.equal(found[name].double(), tensor.double())
        assert not found[name].requires_grad


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("suffix", [".pth", ".pt"])
@pytest.mark.parametrize("zipped", [True, False])
def test_every_wrapping_of_a_torch_file(tmp_path: Path, form: str, suffix: str, zipped: bool) -> None:
    path = tmp_path / f"weights{suffix}"
    torch.save(FORMS[form], path, _use_new_zipfile_serialization=zipped)
    assert_state(files.read(path).tensors)


def test_the_trained_weights_are_preferred_to_their_average_and_both_are_recorded(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"model_ema": {"x": torch.zeros(1)}, "model": STATE}, path)
    file = files.read(path)
    assert_state(file.tensors)
    assert (file.entry, file.left_out) == ("model", ("model_ema",))


def test_only_a_prefix_of_all_names_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"module.a": torch.ones(1), "b": torch.ones(1)}, path)
    assert set(files.read(path).tensors) == {"module.a", "b"}


def test_safetensors_with_metadata(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file(STATE, path, metadata={"key": "value"})
    file = files.read(path)
    assert_state(file.tensors)
    assert file.metadata == {"key": "value"}


def arrays() -> dict[str, Any]:
    return {name: tensor.numpy() for name, tensor in STATE.items()}


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_detectron2_pickles_of_every_protocol(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "weights.pkl"
    content = {"model": arrays(), "__author__": "a zoo", "matching_heuristics": True}
    path.write_bytes(pickle.dumps(content, protocol=protocol))
    assert_state(files.read(path).tensors)


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<f2", ">i8", "|u1", "|b1"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_pickled_arrays_keep_their_numbers(dtype: str, order: Any) -> None:
    array = np.asarray(np.arange(24).reshape(2, 3, 4) % 2, dtype=dtype, order=order)
    for protocol in (2, 4, 5):
        found = pickles.load(io.BytesIO(pickle.dumps({"x": array}, protocol=protocol)))
        assert isinstance(found, dict)
        assert np.array_equal(found["x"].value, array)


def test_numpy_scalars_and_python_2_texts() -> None:
    found = pickles.load(io.BytesIO(pickle.dumps({"lr": np.float64(0.5), "name": "résumé"}, protocol=2)))
    assert isinstance(found, dict)
    assert found["lr"].value == 0.5 and found["name"] == "résumé"


class Call:
    """Pickles as a call of `function(*arguments)`."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


@pytest.mark.parametrize("suffix", [".pth", ".pkl"])
@pytest.mark.parametrize("function", [os.system, eval, os.mkdir, np.load, getattr])
def test_a_pickle_that_calls_something_is_refused_and_nothing_runs(
    tmp_path: Path, suffix: str, function: Callable[..., Any]
) -> None:
    mark = tmp_path / "ran"
    argument = (
        f"__import__('os').mkdir('{mark}')"
        if function is eval
        else f"mkdir {mark}"
        if function is os.system
        else str(mark)
    )
    content = {"model": {"a": Call(function, argument)}}
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pkl":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path)
    with pytest.raises(CheckpointError, match=rf"refused, because loading it would call \S*{function.__name__}"):
        files.read(path)
    assert not mark.exists()


@pytest.mark.parametrize("suffix", [".pth", ".old.pth", ".pkl"])
def test_what_stands_beside_the_weights_needs_no_code_and_runs_none(tmp_path: Path, suffix: str) -> None:
    """Training logs, configurations and optimisers hold objects of the framework; mmengine's checkpoints always do."""
    mark = tmp_path / "ran"
    weights = arrays() if suffix == ".pkl" else STATE
    content = {
        "meta": {"time": datetime(2024, 1, 1), "seed": np.int64(3), "names": np.array(["cat"]), ("a", 1): {2, 3}},
        "message_hub": {"loss": Log(np.arange(3.0)), "mean": Log.mean, "call": Call(os.mkdir, str(mark))},
        "state_dict": weights,
        "path": Path("work_dirs"),
        "frozen": frozenset({1}),
    }
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pkl":
        path.write_bytes(pickle.dumps(content, protocol=4))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=suffix == ".pth")
    assert_state(files.read(path).tensors)
    assert not mark.exists()


class Log:
    def __init__(self, values: Any) -> None:
        self.values = values

    def mean(self) -> float:
        return float(np.mean(self.values))


@pytest.mark.parametrize("content", [Log(3), {"model": Log(3)}, {"a": Log(3)}, {"model": {"a": Log(3)}}])
def test_a_whole_object_for_weights_is_refused_by_name(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(CheckpointError, match=r"refused, because loading it would call \S*test_files\.Log"):
        files.read(tmp_path / "weights.pth")


def test_views_of_one_storage_come_back_as_they_were(tmp_path: Path) -> None:
    base = torch.arange(24.0)
    state = {"base": base, "part": base[4:16].view(3, 4).t(), "steps": base[::5], "none": base[:0], "tied": base}
    for zipped in (True, False):
        torch.save(state, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
        found = files.read(tmp_path / "w.pth").tensors
        assert all(torch.equal(found[name], tensor) for name, tensor in state.items())
        assert found["base"].data_ptr() == found["tied"].data_ptr()


@pytest.mark.parametrize("dtype", files.NUMBERS)
@pytest.mark.parametrize("zipped", [True, False])
def test_every_type_of_number_comes_back(tmp_path: Path, dtype: torch.dtype, zipped: bool) -> None:
    tensor = torch.tensor([0, 1, 3]).to(dtype)
    torch.save({"a": tensor}, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    found = files.read(tmp_path / "w.pth").tensors["a"]
    assert found.dtype == dtype and torch.equal(found, tensor)


def test_a_pickle_cannot_make_objects_of_allowed_modules(tmp_path: Path) -> None:
    path = tmp_path / "weights.pkl"
    for content in (
        Call(np.dtype, "O"),
        np.array([object()], dtype=object),
        np.array(["x"]),
        Call(np.ndarray, (1 << 40,)),
    ):
        path.write_bytes(pickle.dumps({"model": {"a": content}}, protocol=2))
        with pytest.raises(CheckpointError):
            files.read(path)


def test_a_declared_shape_without_the_bytes_is_damage_and_allocates_nothing(tmp_path: Path) -> None:
    content = pickle.dumps({"model": {"a": np.zeros((3, 5), dtype=np.float32)}}, protocol=2)
    for shape in (b"K\x03K\x05\x86", b"K\x03K\x06\x86"), (b"K\x03K\x05\x86", b"J\xff\xff\xff\x7fK\x05\x86"):
        assert shape[0] in content
        path = tmp_path / "weights.pkl"
        path.write_bytes(content.replace(*shape))
        with pytest.raises(CheckpointError, match="damaged"):
            files.read(path)


@pytest.mark.parametrize("suffix", [".pth", ".pt", ".pkl", ".safetensors"])
@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><html><body>Not found</body></html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n", "git lfs pull"),
        (b"just some words\n", "damaged or not a weight file"),
        (b'{"error": "no such file"}', "damaged or not a weight file"),
        (bytes(4096), "damaged or not a weight file"),
        (b"\xff" * 4096, "damaged or not a weight file"),
        (b"PK\x03\x04" + bytes(200), "damaged or not a weight file"),
    ],
)
def test_what_is_no_weight_file(tmp_path: Path, suffix: str, content: bytes, problem: str) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=problem):
        files.read(path)


@pytest.mark.parametrize("suffix", [".pth", ".old.pth", ".pkl", ".safetensors"])
def test_every_truncation_is_an_error(tmp_path: Path, suffix: str) -> None:
    buffer = io.BytesIO()
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pkl":
        buffer.write(pickle.dumps({"model": arrays()}))
    elif suffix == ".safetensors":
        save_file(STATE, path)
        buffer.write(path.read_bytes())
    else:
        torch.save(STATE, buffer, _use_new_zipfile_serialization=suffix == ".pth")
    whole = buffer.getvalue()
    for length in range(0, len(whole) - 1, max(1, len(whole) // 40)):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError):
            files.read(path)


def test_what_is_missing_or_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        files.read(tmp_path / "none.pth")
    with pytest.raises(CheckpointError, match="a folder"):
        files.read(tmp_path)
    os.mkfifo(tmp_path / "pipe.pth")
    with pytest.raises(CheckpointError, match="no regular file"):
        files.read(tmp_path / "pipe.pth")
    (tmp_path / "weights.h5").write_bytes(b"x")
    with pytest.raises(CheckpointError, match="damaged or not a weight file"):
        files.read(tmp_path / "weights.h5")


WRITERS: dict[str, Callable[[Path], None]] = {
    "zip": lambda path: torch.save(STATE, path),
    "older": lambda path: torch.save(STATE, path, _use_new_zipfile_serialization=False),
    "pickle": lambda path: path.write_bytes(pickle.dumps({"model": arrays()})) and None,
    "safetensors": lambda path: save_file(STATE, path),
}


@pytest.mark.parametrize("name", ["m.ckpt", "m.pth.tar", "m.bin", "m.pth", "m.pkl", "model", "m.safetensors"])
@pytest.mark.parametrize("form", WRITERS)
def test_the_content_tells_the_form_and_not_the_name(tmp_path: Path, name: str, form: str) -> None:
    if name == "m.safetensors" and form in ("older", "pickle"):
        return  # a file of that name which is neither safetensors nor an archive is a damaged one
    WRITERS[form](tmp_path / name)
    assert_state(files.read(tmp_path / name).tensors)


def test_a_tar_archive_of_one_weight_file_is_read(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "m.pth")
    with tarfile.open(tmp_path / "m.pth.tar", "w") as archive:
        archive.add(tmp_path / "m.pth", "m.pth")
    assert_state(files.read(tmp_path / "m.pth.tar").tensors)
    with tarfile.open(tmp_path / "two.tar", "w") as archive:
        archive.add(tmp_path / "m.pth", "m.pth")
        archive.add(tmp_path / "m.pth", "n.pth")
    with pytest.raises(CheckpointError, match="a tar archive of 2 files; unpack it with: tar -xf"):
        files.read(tmp_path / "two.tar")


@pytest.mark.parametrize(
    ("content", "entry"),
    [
        ({"weights": STATE}, "weights"),
        ({"model": None, "ema": STATE, "optimizer": {}}, "ema"),
        ({"model": {}, "ema": STATE}, "ema"),
        ({"state_dict": {"model": STATE}, "epoch": 3}, "state_dict.model"),
        ({"ema": {"module": {f"module.{name}": tensor for name, tensor in STATE.items()}}}, "ema.module"),
        ({"model_state_dict": STATE, "optimizer_state_dict": {"state": {}}}, "model_state_dict"),
    ],
)
def test_what_frameworks_wrap_weights_in_is_unwrapped(tmp_path: Path, content: Any, entry: str) -> None:
    torch.save(content, tmp_path / "m.pt")
    file = files.read(tmp_path / "m.pt")
    assert_state(file.tensors)
    assert file.entry == entry


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ([torch.ones(1)], "holds a list"),
        (torch.ones(1), "holds a Tensor"),
        ({}, "holds no tensor"),
        ({"model": {}}, "holds no tensor"),
        ({"epoch": 3, "a": torch.ones(1)}, "entry 'epoch' is a int"),
        ({3: torch.ones(1)}, "entry 3"),
        ({"a": torch.ones(2, dtype=torch.complex64)}, "complex64"),
        ({"a": torch.ones(2, 2).to_sparse()}, "sparse"),
        ({"a": torch.zeros(1).expand(1 << 16, 1 << 16)}, "4,294,967,296 numbers"),
    ],
)
def test_dictionaries_that_are_no_weights(tmp_path: Path, content: Any, problem: str) -> None:
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=problem):
        files.read(path)


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = torch.nn.Linear(2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(x)  # type: ignore[no-any-return]


@pytest.mark.parametrize("make", [torch.jit.script, lambda net: torch.jit.trace(net, torch.zeros(1, 2))])
def test_a_torchscript_program_is_called_so(tmp_path: Path, make: Callable[[torch.nn.Module], Any]) -> None:
    make(Net().eval()).save(str(tmp_path / "m.pt"))
    with pytest.raises(CheckpointError, match=r"m\.pt: a TorchScript program, not weights alone; .*torch\.jit\.load"):
        files.read(tmp_path / "m.pt")


def test_a_module_saved_whole_is_called_so(tmp_path: Path) -> None:
    torch.save(Net(), tmp_path / "m.pt")
    with pytest.raises(CheckpointError, match=r"would call \S*Net: a whole object was saved .*model\.state_dict\(\)"):
        files.read(tmp_path / "m.pt")


def test_an_entry_that_is_none_is_recorded(tmp_path: Path) -> None:
    torch.save({"epoch": 1, "ema": STATE, "model": None}, tmp_path / "m.pt")
    file = files.read(tmp_path / "m.pt")
    assert (file.entry, file.left_out) == ("ema", ("model (None)",))


@pytest.mark.slow
def test_sharded_safetensors_are_called_so_and_the_command_joins_them(tmp_path: Path) -> None:
    folder = tmp_path / "it's sharded"
    folder.mkdir()
    shards = {name: f"model-0000{i}-of-00003.safetensors" for i, name in enumerate(STATE, 1)}
    for name, file in shards.items():
        save_file({name: STATE[name]}, folder / file)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 40}, "weight_map": shards}))
    for path, what in ((index, "the index of weights"), (folder, "a folder of weights")):
        with pytest.raises(CheckpointError, match=f"{what} that are stored in several files") as caught:
            files.read(path)
        found = re.search(r"join the shards with: python (.*), and give --ckpt (.*)$", str(caught.value))
        assert found is not None
        subprocess.run([sys.executable, *shlex.split(found[1])], check=True)
        assert_state(files.read(Path(found[2])).tensors)


def test_a_folder_names_the_weights_in_it(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "last.pth")
    with pytest.raises(CheckpointError, match=rf"a folder, not a weight file; .*--ckpt {tmp_path}/last\.pth"):
        files.read(tmp_path)
