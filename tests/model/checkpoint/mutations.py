"""Weight files as nobody should write them: seeded mutations of small valid files of every form."""

from __future__ import annotations

import io
import json
import pickle
import random
import struct
import zipfile
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from safetensors.torch import save as safetensors_bytes

from stc.model.config import STC_LITE
from tests.model.checkpoint.pickle_assembler import Build, Call, Name, New, Pairs, Persistent, Raw, assemble
from tests.mutations import EXTREMES, damaged

HEAD = "proposal_generator.fcos_head"
ODD = (None, True, -1, 2**40, 2**62, 2**63, 10**100, 1.5, float("nan"), float("inf"), "3", b"3", (), [], {}, (1,))
# What hostile pickles call. A call that did run would leave MARK in the working directory.
MARK = "a-pickle-ran-code"
OLDER_FORM: tuple[Any, ...] = (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True})
SIZES = {"1": 2, "3": 8}  # bytes of a number of the seeds' storages, where they are not 4
HOSTILE = (
    Call(Name("os", "mkdir"), (MARK,)),
    Call(Name("posix", "system"), (f"mkdir {MARK}",)),
    Call(Name("builtins", "eval"), (f"__import__('os').mkdir('{MARK}')",)),
    Call(Name("__builtin__", "exec"), (f"import os; os.mkdir('{MARK}')",)),
    Call(Call(Name("builtins", "getattr"), (Name("os", "path"), "join")), ("a",)),
    Call(Name("builtins", "bytearray"), (1 << 40,)),
    Call(Name("torch", "zeros"), (1 << 20, 1 << 20)),
    Call(Name("torch", "Tensor"), (1 << 40,)),
    Call(Name("torch.storage", "_load_from_bytes"), (b"\x80\x02}.",)),
    Call(Name("torch.hub", "load_state_dict_from_url"), ("http://localhost:1/",)),
    Call(Name("torch._utils", "_rebuild_tensor_v2"), ()),
    Call(Name("torch._utils", "_rebuild_tensor_v2"), (Name("torch", "FloatStorage"), 0, (1,), (1,))),
    Call(Name("torch._utils", "_rebuild_parameter"), ({},)),
    Call(Name("numpy", "ndarray"), ((1 << 40,),)),
    Call(Name("numpy", "load"), (MARK,)),
    Call(Name("numpy", "dtype"), ("f" * 1000,)),
    Call(Name("numpy", "dtype"), ("(1000000,1000000)f8",)),
    Call(Name("numpy", "dtype"), ("f4,f4",)),
    Call(Name("_codecs", "encode"), ("x", "zip")),
    Call(Name("collections", "OrderedDict"), ([((), 1), ([], 2)],)),
    Call("no function", ()),
    New(Name("os", "_wrap_close"), ()),
    New(Name("numpy", "dtype"), ("f4",)),
    Build(Name("os", "environ"), {"PATH": ""}),
    Build({}, {"items": 3}),
    Raw(b"(ios\nsystem\n"),
    Raw(b"(cos\nsystem\no"),
    Raw(b"\x82\x01"),
    Raw(b"]q\x00h\x00a"),  # a list that holds itself
    Raw(b"}q\x00X\x01\x00\x00\x00ah\x00s"),  # a dictionary that holds itself
    Raw(b")" + b"\x85" * 50_000),  # a tuple 50,000 deep
    Raw(b"}" + b")" + b"\x85" * 50_000 + b"Ns"),  # the same as a key
    Raw(b"Nr\xff\xff\xff\x7f"),  # number 2**31 of the memo
    Raw(b"\x96" + struct.pack("<Q", 1 << 40)),  # a bytearray of a terabyte
    Raw(b"\x8e" + struct.pack("<Q", 1 << 62)),
    Raw(b"\x8d" + struct.pack("<Q", 1 << 62)),
    Raw(b"\x95" + struct.pack("<Q", 1 << 62) + b"N"),
    Raw(b"\x8b\xff\xff\xff\x7f"),
    Raw(b"\x8b\x00\x00\x00\x80"),
    Raw(b"I" + b"9" * 5000 + b"\n"),
    Raw(b"]" * 2000 + b"a" * 1999),
    Raw(b"\x8f(N\x90"),
    Raw(b"\x97"),
    Raw(b"Pabc\n"),
)


def mutated(r: random.Random) -> tuple[str, bytes]:
    """A file: its suffix and content."""
    return r.choice(MUTATIONS)(r)


def _damaged_bytes(r: random.Random) -> tuple[str, bytes]:
    suffix, content = r.choice(seeds())
    if r.random() < 0.05:
        suffix = r.choice((".pth", ".pkl", ".safetensors"))
    return suffix, damaged(r, content)


def _damaged_pickle_in_a_sound_archive(r: random.Random) -> tuple[str, bytes]:
    _, content = r.choice([seed for seed in seeds() if seed[1].startswith(b"PK")])
    entries = _entries(content)
    entries["archive/data.pkl"] = damaged(r, entries["archive/data.pkl"])
    return ".pth", _archive(entries)


def _odd_archive(r: random.Random) -> tuple[str, bytes]:
    _, content = r.choice([seed for seed in seeds() if seed[1].startswith(b"PK")])
    entries = _entries(content)
    names = list(entries)
    match r.randrange(7):
        case 0:
            entries = {
                r.choice((name, name.upper(), "../" + name, "x" * 60_000)): data for name, data in entries.items()
            }
        case 1:
            del entries[r.choice(names)]
        case 2:
            entries[r.choice(names)] = bytes(r.choice((0, 1, 5000)))
        case 3:  # a bomb: 64 MiB of zeros in 64 KiB
            entries[r.choice(names)] = bytes(64 << 20)
            return ".pth", _archive(entries, zipfile.ZIP_DEFLATED)
        case 4:
            entries["archive/byteorder"] = r.choice((b"big", b"", b"little\n"))
        case 5:
            entries["other/data.pkl"] = assemble({})
        case 6:
            whole = bytearray(_archive(entries))
            directory = whole.index(b"PK\x01\x02")
            at = r.randrange(directory, len(whole) - 8)
            whole[at : at + 4] = (r.choice(EXTREMES) % (1 << 32)).to_bytes(4, "little")
            return ".pth", bytes(whole)
    return ".pth", _archive(entries)


def _hostile_torch_file(r: random.Random) -> tuple[str, bytes]:
    numel = r.choice((36, 36, 36, 35, *ODD, *EXTREMES))
    state = {f"{HEAD}.cls_logits.weight": _view(r, numel), "b": _view(r, 36), "c": _anything(r), "d": _anything(r)}
    content = assemble(_wrapped(r, state))
    if r.random() < 0.7:
        return ".pth", _archive({"archive/data.pkl": content, "archive/data/0": bytes(144)})
    magic, version, system = OLDER_FORM
    system = {**system, "little_endian": r.choice((True, True, True, False, 3))}
    keys = r.choice((["0"], ["0"], ["0"], [], ["1"], "0", ["0", "0"], [[]], Raw(b"]q\x00h\x00a")))
    stored = r.choice((36, 36, 36, 35, 2**40, 2**63)).to_bytes(8, "little") + bytes(r.choice((144, 144, 100, 0)))
    return ".pth", b"".join(assemble(part) for part in (magic, version, system)) + content + assemble(keys) + stored


def _view(r: random.Random, numel: Any) -> Any:
    dtype = r.choice(
        ("FloatStorage", "FloatStorage", "FloatStorage", "HalfStorage", "QInt8Storage", "ComplexDoubleStorage")
    )
    reference = ["storage", Name("torch", dtype), r.choice(("0", "0", "0", "1", "../x", 0)), "cpu", numel]
    if r.random() < 0.1:
        reference[r.randrange(5)] = r.choice(ODD)
    if r.random() < 0.1:
        reference.append(r.choice((None, ("v", 0, 3), *ODD)))
    shape: list[Any] = [4, 1, 3, 3]
    stride: list[Any] = [9, 9, 3, 1]
    offset: Any = 0
    while r.random() < 0.4:
        target = r.choice((shape, stride))
        target[r.randrange(4)] = r.choice((*ODD, *EXTREMES))
    if r.random() < 0.2:
        offset = r.choice((*ODD, *EXTREMES))
    arguments = (Persistent(tuple(reference)), offset, tuple(shape), r.choice((tuple(stride), stride, (1,))), False, {})
    return Call(
        Name("torch._utils", r.choice(("_rebuild_tensor_v2", "_rebuild_tensor_v2", "_rebuild_tensor"))), arguments
    )


def _hostile_pickle(r: random.Random) -> tuple[str, bytes]:
    state = {"a": _array(r), f"{HEAD}.cls_logits.weight": _array(r), "c": _anything(r), "d": _anything(r)}
    if r.random() < 0.1:  # one text, as bytes again and again
        text = Raw(b"X" + struct.pack("<I", 200_000) + b"a" * 200_000 + b"q\x01")
        again = Call(Name("_codecs", "encode"), (Raw(b"h\x01"), "latin1"))
        return ".pkl", assemble({"model": {"a": text, "b": [again] * 2000}})
    if r.random() < 0.1:  # one array's bytes, in many arrays
        first = Raw(b"B" + struct.pack("<I", 400_000) + bytes(400_000) + b"q\x01")
        many = {str(i): _array_of(Raw(b"h\x01"), (100_000,), "f4") for i in range(1000)}
        return ".pkl", assemble({"model": {"a": _array_of(first, (100_000,), "f4"), **many}})
    return ".pkl", assemble(_wrapped(r, state))


def _array(r: random.Random) -> Any:
    shape: Any = (2, 3)
    code: Any = "f4"
    content: Any = bytes(24)
    while r.random() < 0.4:
        match r.randrange(3):
            case 0:
                shape = r.choice(((r.choice((*ODD, *EXTREMES)), 3), r.choice(ODD), (1,) * 100, (0, 2**62)))
            case 1:
                code = r.choice(("<f4", ">f4", "f8", "O", "U1", "V24", "M8[s]", "c8", "f16", "i3", *ODD))
            case 2:
                content = r.choice((bytes(23), "a" * 24, "\u1234" * 24, *ODD))
    return _array_of(content, shape, code)


def _array_of(content: Any, shape: Any, code: Any) -> Any:
    multiarray = "numpy.core.multiarray"
    empty = Call(Name(multiarray, "_reconstruct"), (Name("numpy", "ndarray"), (0,), b"b"))
    dtype = Build(Call(Name("numpy", "dtype"), (code, 0, 1)), (3, "<", None, None, None, -1, -1, 0))
    return Build(empty, (1, shape, dtype, False, content))


def _anything(r: random.Random) -> Any:
    return r.choice((r.choice(ODD), r.choice(HOSTILE), r.choice(HOSTILE), _array(r), {"x": _array(r)}))


def _wrapped(r: random.Random, state: dict[str, Any]) -> Any:
    for name in list(state):
        if r.random() < 0.5 and len(state) > 1:
            del state[name]
    if r.random() < 0.1:
        state[r.choice(("", "a" * 100_000, "\ud800", "{x}", "a\nb\x1b[31m", "module."))] = _anything(r)
    pairs = list(state.items())
    if r.random() < 0.1:
        pairs.append((r.choice((*ODD, *HOSTILE)), 3))
    if r.random() < 0.1:
        pairs.append(pairs[0])
    whole: Any = Pairs(tuple(pairs))
    for _ in range(r.choice((0, 1, 1, 1, 2))):
        entry = r.choice(("model", "state_dict", "blobs", "ema_state", "unknown"))
        whole = {entry: whole, r.choice(("model", "optimizer", "weight_order")): _anything(r)}
    return whole


def _odd_safetensors(r: random.Random) -> tuple[str, bytes]:
    header: dict[str, Any] = {
        "__metadata__": {"format": "pt", "stc.config": json.dumps(_config(r))},
        "head.cls_logits.weight": {"dtype": "F32", "shape": [3, 2], "data_offsets": [0, 24]},
        "fpn.p6.bias": {"dtype": "F16", "shape": [4], "data_offsets": [24, 32]},
    }
    odd = (*EXTREMES, None, 1.5, "3", [], {}, True, -1)
    for _ in range(r.choice((0, 1, 1, 2))):
        entry = header[r.choice(("head.cls_logits.weight", "fpn.p6.bias"))]
        match r.randrange(4):
            case 0:
                entry["dtype"] = r.choice(("F8_E4M3", "I64", "BOOL", "C64", "nothing", *odd))
            case 1:
                entry["shape"] = r.choice(([r.choice(odd), 2], [0, 2**62], [2**32, 2**32], [1] * 5000, r.choice(odd)))
            case 2:
                entry["data_offsets"] = r.choice(([0, 32], [24, 0], [r.choice(odd), r.choice(odd)], [0], r.choice(odd)))
            case 3:
                entry[r.choice(("dtype", "more"))] = r.choice(odd)
    if r.random() < 0.2:
        header["__metadata__"] = r.choice((*odd, {"a": 1}, {"stc.config": "{"}, {"stc.config": "[" * 100_000}))
    text = json.dumps(header)
    match r.randrange(10):
        case 0:
            text = "[" * 100_000 + "]" * 100_000
        case 1:
            text = text.replace("fpn.p6.bias", "head.cls_logits.weight")
        case 2:
            text = text.replace("24", r.choice(("NaN", "1e400", "-0", "24.0", "9" * 400)))
        case 3:
            text = text.replace('"F32"', '{"F32":' * 500 + "0" + "}" * 500)
        case 4:
            text = text.replace("head.cls", r.choice(("\\ud800", "\\u0000", "a" * 200_000)))
    content = text.encode()
    length = len(content) if r.random() < 0.8 else r.choice(EXTREMES) % 2**64
    return ".safetensors", length.to_bytes(8, "little") + content + bytes(r.choice((32, 32, 32, 31, 33, 0)))


def _config(r: random.Random) -> Any:
    config: dict[str, Any] = json.loads(json.dumps(STC_LITE.to_dict()))
    for _ in range(r.choice((0, 1, 1, 3))):
        config[r.choice(list(config))] = r.choice(
            (None, -1, 0, 1, 2**40, 10**30, 1.5, "x", [], [1], {}, True, [[]], [None] * 5)
        )
    return r.choice((config, config, config, config, [], "x", None, {"unknown": 1}))


def _entries(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def _archive(entries: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(zipfile.ZipInfo(name), data, compression)  # with the same date every time
    return buffer.getvalue()


class Log:
    """What a framework keeps beside the weights."""

    def __init__(self) -> None:
        self.values = np.arange(3.0)


@cache
def seeds() -> tuple[tuple[str, bytes], ...]:
    """Suffix and content of small valid files."""
    state = {
        f"{HEAD}.cls_logits.weight": torch.arange(36.0).reshape(4, 1, 3, 3),
        f"{HEAD}.cls_logits.bias": torch.arange(4.0).half(),
        "backbone.bottom_up.stem.conv1.norm.running_var": torch.ones(3),
        "mask_head._iter": torch.zeros(1, dtype=torch.int64),
    }
    whole = {
        "model": state,
        "optimizer": {
            "state": {0: {"momentum_buffer": torch.ones(2)}},
            "param_groups": [{"lr": 0.1, "betas": (0.9, 1)}],
        },
        "iteration": 7,
    }
    logged = {"meta": {"seed": np.int64(3)}, "message_hub": {"loss": Log()}, "state_dict": state}
    arrays = {name: tensor.numpy() for name, tensor in state.items()}
    blobs = {
        "conv1_w": np.ones((2, 3), "f4"),
        "res_conv1_bn_s": np.ones(2, "f4"),
        "weight_order": ["a"],
        "lr": np.float64(1),
    }
    pickled = [pickle.dumps({"model": arrays, "__author__": "zoo"}, protocol) for protocol in (0, 2, 4, 5)]
    own = {"head.cls_logits.weight": torch.ones(3, 2), "fpn.p6.bias": torch.ones(4).half()}
    return (
        *((".pth", _saved(content)) for content in (whole, state, logged)),
        *((".pth", _older_form(_saved(content))) for content in (whole, logged)),
        *((".pkl", content) for content in pickled),
        (".pkl", pickle.dumps({"blobs": blobs}, 2)),
        (".safetensors", safetensors_bytes(own, {"stc.config": json.dumps(STC_LITE.to_dict())})),
        (".safetensors", safetensors_bytes(state)),
    )


def _saved(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def _older_form(archive: bytes) -> bytes:
    """torch.save's older form of the same content; its own names storages by address, so differently every time."""
    entries = _entries(archive)
    parts = [assemble(part) for part in OLDER_FORM] + [entries["archive/data.pkl"]]
    keys = sorted(name.removeprefix("archive/data/") for name in entries if name.startswith("archive/data/"))
    parts.append(assemble(keys))
    for key in keys:
        numbers = entries[f"archive/data/{key}"]
        size = SIZES.get(key, 4)
        parts += [(len(numbers) // size).to_bytes(8, "little"), numbers]
    return b"".join(parts)


MUTATIONS: tuple[Callable[[random.Random], tuple[str, bytes]], ...] = (
    _damaged_bytes,
    _damaged_bytes,
    _damaged_pickle_in_a_sound_archive,
    _odd_archive,
    _hostile_torch_file,
    _hostile_torch_file,
    _hostile_pickle,
    _odd_safetensors,
)
