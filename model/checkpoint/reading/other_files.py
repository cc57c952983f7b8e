"""What is given for a weight file and is none: called what it is, with the way to the weights."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from stc.errors import CheckpointError
from stc.model.checkpoint.reading import shards
from stc.runtime.bundle.files import CHECKPOINT_SUFFIXES

_BEGINNINGS = {
    b"version https://git-lfs": "a Git LFS pointer, not the weights themselves; fetch them with: git lfs pull",
    **dict.fromkeys(
        (b"<!doctype", b"<html", b"<?xml"),
        "a web page, not weights; the download failed, download the file itself again",
    ),
    b"\x1f\x8b": "compressed by gzip; unpack it with: gzip -dc {path} > model.pth, and give --ckpt model.pth",
    b"bzh": "compressed by bzip2; unpack it with: bzip2 -dc {path} > model.pth, and give --ckpt model.pth",
    b"\xfd7zxz": "compressed by xz; unpack it with: xz -dc {path} > model.pth, and give --ckpt model.pth",
    b"\x28\xb5\x2f\xfd": "compressed by zstd; unpack it with: zstd -dc {path} > model.pth, and give --ckpt model.pth",
    b"7z\xbc\xaf": "a 7z archive; unpack it with: 7z x {path}, and give the weights in it",
    b"\x89hdf": "an HDF5 file, as Keras writes it; give the checkpoint of a PyTorch model",
    b"gguf": "a GGUF file of quantised weights; give the checkpoint that training wrote",
}
_SUFFIXES = {
    ".onnx": "an exported graph, not a checkpoint; give the checkpoint that it was made from",
    **dict.fromkeys(
        (".engine", ".plan", ".trt"), "an engine, not a checkpoint; give the checkpoint that it was made from"
    ),
}


def refuse(path: Path, start: bytes) -> None:
    """Raises CheckpointError for what `start`, its first bytes, or its name show to be something else."""
    if not start:
        raise CheckpointError(f"{path}: empty (0 bytes); download or copy it again")
    text = start.lstrip().lower()
    for beginning, said in _BEGINNINGS.items():
        if text.startswith(beginning):
            raise CheckpointError(f"{path}: {said.format(path=path)}")
    if said := _SUFFIXES.get(path.suffix.lower(), ""):
        raise CheckpointError(f"{path}: {said}")


def refuse_archive(path: Path, names: Iterable[str]) -> None:
    """names: of the members of the zip archive. Raises CheckpointError where it is not torch.save's."""
    members = list(names)
    roots = {name.removesuffix("constants.pkl") for name in members if name.endswith("constants.pkl")}
    if any(name.startswith(f"{root}code/") for root in roots for name in members):
        raise CheckpointError(
            f"{path}: a TorchScript program, not weights alone; load it with torch.jit.load where it was made, and "
            "save its state_dict() instead (torch.save)"
        )
    if not any(name.rpartition("/")[2] == "data.pkl" for name in members):
        first = ", ".join(name[:60] for name in members[:3])
        raise CheckpointError(
            f"{path}: a zip archive of {len(members)} files that torch.save did not write ({first}, "
            "...); if the weights are one of them, unpack it, else save model.state_dict() with torch.save"
        )


def folder(path: Path) -> CheckpointError:
    """The error for a folder in the place of a file."""
    if any(path.glob("*-of-*.*")) or any(path.glob(f"*{shards.INDEX}")):
        return shards.error(path, "a folder of weights that are stored in several files")
    if any(path.glob("*.distcp")):
        return CheckpointError(
            f"{path}: a distributed checkpoint in several files; join them with: "
            f"python -m torch.distributed.checkpoint.format_utils dcp_to_torch {path} model.pth, "
            "and give --ckpt model.pth"
        )
    there = sorted(file.name for file in path.iterdir() if file.suffix in CHECKPOINT_SUFFIXES)
    which = f"--ckpt {path / there[0]}" if there else "it holds none of a usual name"
    return CheckpointError(f"{path}: a folder, not a weight file; give the file itself: {which}")
