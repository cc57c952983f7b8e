"""The engines that run an ONNX file, by name; `stc.runtime.bundle.engines` chooses among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    import argparse

# As their packages are called; behind the colon, in which numbers.
EngineName = Literal["onnxruntime", "openvino", "openvino:fp32", "openvino:bf16", "openvino:int8"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)


def add_option(parser: argparse.ArgumentParser) -> None:
    """`--engine`, as `engine` of `Session`."""
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        help="what runs an ONNX file, and in which numbers (default: the fastest that is installed and that the "
        "bundle's passport says keeps what is found)",
    )
