"""Every form in which the field writes weights: loaded with all numbers equal, or refused by what it is.

Containers and wrappers, around the weights of the demo model. Other networks under known names are in
`layouts/test_unsupported.py`.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import pickle
import re
import tarfile
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path, PosixPath
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from stc.errors import CheckpointError
from stc.model.checkpoint import inspection, load
from stc.model.checkpoint.examine import examine
from stc.model.checkpoint.options import AS_THE_FILE_SAYS, Reading
from stc.model.checkpoint.reading import files

LITE = Path(__file__).parents[3] / "assets" / "stc-lite-2.safetensors"
State = dict[str, Tensor]


@pytest.fixture(scope="module")
def state() -> State:
    with safe_open(LITE, framework="pt") as file:
        return {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - not a mapping


def under(prefix: str, state: State) -> State:
    return {prefix + name: tensor for name, tensor in state.items()}


def each(state: State, change: Callable[[Tensor], Any]) -> dict[str, Any]:
    return {name: change(tensor) for name, tensor in state.items()}


def shared(state: State) -> State:
    """All tensors are views of one storage."""
    whole = torch.cat([tensor.flatten() for tensor in state.values()])
    parts = whole.split([tensor.numel() for tensor in state.values()])
    return {name: part.view(state[name].shape) for name, part in zip(state, parts, strict=True)}


def beside(state: State) -> dict[str, Any]:
    """What frameworks keep in the same file."""
    return {
        "model": OrderedDict(state),
        "args": argparse.Namespace(lr=0.1, folder=PosixPath("/tmp")),
        "meters": defaultdict(list, loss=[np.float64(1.0)]),
        "device": torch.device("cuda:0"),
        "hook": print,
        "optimizer": {"state": {0: {"momentum_buffer": torch.ones(3)}}, "param_groups": [{"lr": 0.1}]},
    }


LIGHTNING = {"epoch": 3, "pytorch-lightning_version": "2.4.0", "hyper_parameters": {"lr": 0.1}}
SAVED: dict[str, Callable[[State], object]] = {
    "bare": lambda state: state,
    "AdetCheckpointer": lambda state: {"model": state, "optimizer": {"state": {}}, "scheduler": {}, "iteration": 90000},
    "mmengine": lambda state: {"state_dict": state, "meta": {"epoch": 12}, "message_hub": {}, "param_schedulers": []},
    "mmengine with EMA": lambda state: {"state_dict": state, "ema_state_dict": each(state, torch.zeros_like)},
    "what frameworks keep beside": beside,
    "DDP": lambda state: under("module.", state),
    "compiled": lambda state: under("_orig_mod.", state),
    "compiled DDP": lambda state: {"model": under("_orig_mod.module.", state)},
    "DDP of a compiled model": lambda state: {"model": under("module._orig_mod.", state)},
    "Lightning, model": lambda state: {"state_dict": under("model.", state), **LIGHTNING},
    "Lightning, net": lambda state: {"state_dict": under("net.", state), **LIGHTNING},
    "Lightning, compiled": lambda state: {"state_dict": under("model._orig_mod.", state), **LIGHTNING},
    "FSDP": lambda state: under("_fsdp_wrapped_module.", state),
    "EMA alone": lambda state: {"epoch": 1, "model": None, "ema": state},
    "EMA of timm": lambda state: {"state_dict_ema": each(state, torch.zeros_like), "state_dict": state},
    "nested": lambda state: {"checkpoint": 3, "model": {"state_dict": state}},
    "weights": lambda state: {"weights": state},
    "Hugging Face": lambda state: under("base_model.", state),
    "averaged": lambda state: {"n_averaged": torch.tensor(3), **under("module.", state)},
    "under a name of one's own": lambda state: {"detector": {"model": state}, "epoch": 3, "log": {"loss": [0.1]}},
    "parameters": lambda state: each(state, nn.Parameter),
    "not contiguous": lambda state: each(state, lambda t: t.t().contiguous().t() if t.ndim == 2 else t),
    "channels last": lambda state: each(
        state, lambda t: t.to(memory_format=torch.channels_last) if t.ndim == 4 else t.clone()
    ),
    "one storage": shared,
    "float64": lambda state: each(state, Tensor.double),
    "NumPy": lambda state: {"model": each(state, Tensor.numpy)},
    "with counters": lambda state: state | {"backbone.stem.bn.num_batches_tracked": torch.tensor(3)},
}
NAMES = ["m.pth", "m.pt", "m.ckpt", "m.bin", "m.pth.tar", "m", "m.safetensors.pth"]


def numbers(path: Path) -> State:
    found = examine(path, files.read(path), AS_THE_FILE_SAYS)
    assert found.error() is None, found.error()
    return found.tensors


def equal(found: State, expected: State) -> bool:
    return found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("form", SAVED)
def test_numbers_are_equal_in_every_form_that_torch_saves(form: str, state: State, tmp_path: Path) -> None:
    torch.save(SAVED[form](state), tmp_path / "m.pth")
    found = numbers(tmp_path / "m.pth")
    assert equal({name: found[name].to(state[name].dtype) for name in state}, state)


@pytest.mark.parametrize("name", NAMES)
def test_the_name_of_a_file_says_nothing(name: str, state: State, tmp_path: Path) -> None:
    torch.save(state, tmp_path / name)
    assert equal(numbers(tmp_path / name), state)


def legacy(path: Path, state: State) -> None:
    torch.save(state, path, _use_new_zipfile_serialization=False)


def pickled(path: Path, state: State) -> None:
    path.write_bytes(pickle.dumps({"model": each(state, Tensor.numpy), "__author__": "zoo"}, 2))


def safetensors(path: Path, state: State) -> None:
    save_file(state, path, {"format": "pt", "who": "me"})


def archived(path: Path, state: State) -> None:
    content = io.BytesIO()
    torch.save(state, content)
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("m.pth")
        member.size = len(content.getvalue())
        archive.addfile(member, io.BytesIO(content.getvalue()))


@pytest.mark.parametrize("write", [legacy, pickled, safetensors, archived])
def test_numbers_are_equal_in_every_other_form(
    write: Callable[[Path, State], None], state: State, tmp_path: Path
) -> None:
    write(tmp_path / "weights", state)
    assert equal(numbers(tmp_path / "weights"), state)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_less_precise_numbers_are_those_of_the_file(dtype: torch.dtype, state: State, tmp_path: Path) -> None:
    narrow = each(state, lambda tensor: tensor.to(dtype))
    torch.save(narrow, tmp_path / "m.pth")
    assert equal(numbers(tmp_path / "m.pth"), narrow)


def module(folder: Path, state: State) -> Path:
    torch.save(nn.Linear(2, 2), folder / "m.pth")
    return folder / "m.pth"


def checkpoint_of_module(folder: Path, state: State) -> Path:
    torch.save({"model": nn.Linear(2, 2), "epoch": 1}, folder / "m.pth")
    return folder / "m.pth"


def script(folder: Path, state: State) -> Path:
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), folder / "m.pt")
    return folder / "m.pt"


def index(folder: Path, state: State) -> Path:
    path = folder / "model.safetensors.index.json"
    path.write_text(
        json.dumps({"metadata": {}, "weight_map": dict.fromkeys(state, "model-00001-of-00002.safetensors")})
    )
    return path


def shard(folder: Path, state: State) -> Path:
    path = folder / "model-00001-of-00002.safetensors"
    save_file(dict(list(state.items())[:50]), path)
    return path


def folder_of_shards(folder: Path, state: State) -> Path:
    return shard(folder, state).parent


def no_weights(folder: Path, state: State) -> Path:
    torch.save({"epoch": 1, "model": None}, folder / "m.pth")
    return folder / "m.pth"


def optimizer(folder: Path, state: State) -> Path:
    torch.save({"state": {0: {"momentum_buffer": torch.ones(3)}}, "param_groups": []}, folder / "m.pth")
    return folder / "m.pth"


def another(folder: Path, state: State) -> Path:
    torch.save(under("encoder.layers.", {"0.weight": torch.ones(2, 2)}), folder / "m.pth")
    return folder / "m.pth"


def quantised(folder: Path, state: State) -> Path:
    torch.save({"a": torch.ones(2, dtype=torch.complex64)}, folder / "m.pth")
    return folder / "m.pth"


def saved(content: Callable[[State], object]) -> Callable[[Path, State], Path]:
    def write(folder: Path, state: State) -> Path:
        torch.save(content(state), folder / "m.pth")
        return folder / "m.pth"

    return write


def compressed(folder: Path, state: State) -> Path:
    (folder / "m.pth.gz").write_bytes(gzip.compress(b"weights"))
    return folder / "m.pth.gz"


def zipped(folder: Path, state: State) -> Path:
    np.savez(folder / "m.pth.npz", **{name: tensor.numpy() for name, tensor in state.items()})
    return folder / "m.pth.npz"


def distributed(folder: Path, state: State) -> Path:
    (folder / "__0_0.distcp").write_bytes(b"shard")
    return folder


def graph(folder: Path, state: State) -> Path:
    (folder / "model.onnx").write_bytes(b"\x08\x09")
    return folder / "model.onnx"


def all_shards(folder: Path, state: State) -> Path:
    save_file(dict(list(state.items())[50:]), folder / "model-00002-of-00002.safetensors")
    return shard(folder, state)


with safe_open(LITE, framework="np") as _file:
    ENTRIES = len(_file.keys())
TWO_NETWORKS = f"{ENTRIES} entries under 'student.' and {ENTRIES} entries under 'teacher.'"


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (module, "refused, because loading it would call torch.nn.modules.linear.Linear: a whole object was saved"),
        (checkpoint_of_module, "refused, because loading it would call torch.nn.modules.linear.Linear"),
        (script, "a TorchScript program, not weights alone"),
        (index, "the index of weights that are stored in several files"),
        (shard, "shard 1 of 2, which holds a part of the weights only"),
        (folder_of_shards, "a folder of weights that are stored in several files"),
        (folder_of_shards, "1 of the files are missing: copy into {folder}: model-00002-of-00002.safetensors"),
        (index, "1 of the files are missing: copy into {folder}: model-00001-of-00002.safetensors"),
        (all_shards, "shard 1 of 2, which holds a part of the weights only; join the shards with: python -c"),
        (distributed, "a distributed checkpoint in several files; join them with: python -m torch.distributed."),
        (compressed, "compressed by gzip; unpack it with: gzip -dc"),
        (zipped, f"a zip archive of {ENTRIES} files that torch.save did not write (backbone."),
        (graph, "an exported graph, not a checkpoint"),
        (saved(lambda state: {**under("student.", state), **under("teacher.", state)}), TWO_NETWORKS),
        (saved(lambda state: {"student": state, "teacher": state}), "weights in 2 entries, none of which says"),
        (no_weights, "entry 'epoch' is a int, not a tensor"),
        (optimizer, "entry 'state' is a dict, not a tensor"),
        (another, "weights of another model"),
        (quantised, "save plain float tensors instead"),
    ],
)
def test_what_is_no_weights_is_refused_by_what_it_is(
    write: Callable[[Path, State], Path], said: str, state: State, tmp_path: Path
) -> None:
    path = write(tmp_path, state)
    with pytest.raises(CheckpointError) as caught:
        error = examine(path, files.read(path), AS_THE_FILE_SAYS).error()
        assert error is not None
        raise error
    assert said.format(folder=tmp_path) in str(caught.value)


def test_one_of_two_networks_is_loaded_by_the_map_that_the_refusal_proposes(state: State, tmp_path: Path) -> None:
    torch.save({**under("student.", each(state, torch.zeros_like)), **under("teacher.", state)}, tmp_path / "m.pth")
    with pytest.raises(CheckpointError) as caught:
        numbers(tmp_path / "m.pth")
    lines = re.search(r"these two lines: (.*) and (.*)$", str(caught.value))
    assert lines is not None
    (tmp_path / "map.txt").write_text("\n".join(lines.groups()))
    found = examine(tmp_path / "m.pth", files.read(tmp_path / "m.pth"), Reading(key_map=tmp_path / "map.txt"))
    assert found.error() is None and equal(found.tensors, state)


def test_8_bit_integers_in_the_place_of_weights_are_refused(state: State, tmp_path: Path) -> None:
    """A quantised model's scales are elsewhere; its integers would load as numbers a hundred times too large."""
    torch.save(each(state, lambda tensor: tensor.mul(10).to(torch.int8)), tmp_path / "m.pth")
    with pytest.raises(CheckpointError, match=r"is stored as torch\.int8: weights of a quantised model"):
        load(tmp_path / "m.pth")


@pytest.mark.parametrize(
    ("prefix", "line"),
    [("teacher_", r"teacher_(.*) \1"), ("x.teacher_", r"x\.teacher_(.*) \1"), ("teacher_", r"\w{8}(.*) \1")],
)
@pytest.mark.parametrize("name", ["condinst", "mmdet3", "mmdet-pr-reid"])
def test_a_key_map_may_give_the_names_of_any_layout(prefix: str, line: str, name: str, tmp_path: Path) -> None:
    """A prefix without a dot, which nothing removes by itself; the layout's own choices are made as without it."""
    from tests.foreign_layouts import CASES
    from tests.seeded import SLIM

    plain = CASES[name].state(None, num_classes=7, widths=SLIM)
    torch.save(plain, tmp_path / "plain.pth")
    torch.save(under(prefix, plain), tmp_path / "m.pth")
    (tmp_path / "map.txt").write_text(line + "\n")
    expected = inspection.inspect(tmp_path / "plain.pth")
    found = inspection.inspect(tmp_path / "m.pth", key_map=tmp_path / "map.txt")
    assert found.complete == expected.complete
    assert (found.layout, found.config, found.assumed) == (expected.layout, expected.config, expected.assumed)
