"""Our kernels, launched on the executor as the library, or TensorRT from a plan, launches them on a GPU."""

from __future__ import annotations

from stc.export.engine import embed
from tests.plugins.kernel_cases import WORD, FrameCase, HeadCase
from tests.plugins.ptx.executor import Executor, Run

TYPES = {"f32": "f", "f16": "6__half"}  # as C++ mangles them
FRAME_THREADS = 256  # kThreads of plugins/cuda/frame_masks.cu


def shared_bytes(parameters: int, width: int) -> int:
    """shared_floats() of plugins/cuda/mask_head.cuh, in bytes."""
    room = embed.TABLE if parameters <= embed.TABLE else -(-parameters // 4) * 4
    return (width * (embed.ROWS + embed.HALO) + room) * embed.FLOAT_SIZE


def run_embedded(executor: Executor, case: HeadCase, *, backwards: bool = False) -> Run:
    """The kernel that plans carry, with the launch that `embed.py` writes beside it."""
    instances, height, width = case.params.shape[1], *case.features.shape[2:]
    name = embed.ENTRY[{"f32": "FLOAT", "f16": "HALF"}[case.storage]]
    return _head(executor, case, name, [*case.inputs, instances, height, width, case.masks], backwards)


def library_kernel(case: HeadCase) -> str:
    head = case.head
    sizes = "".join(f"Li{n}E" for n in (head.channels, head.layers, 2 if head.upsample == 2 else 0))
    return f"_ZN3stc4cuda16mask_head_kernelI{sizes}{TYPES[case.storage]}EEvNS_15DynamicMaskHeadE"


def run_library(executor: Executor, case: HeadCase) -> Run:
    """The kernel of the plugin and of the C library."""
    return _head(executor, case, library_kernel(case), [case.op()], backwards=False)


def _head(executor: Executor, case: HeadCase, name: str, arguments: list[object], backwards: bool) -> Run:
    case.masks[...] = float("nan")
    (batch, instances), (height, width) = case.params.shape[:2], case.features.shape[2:]
    return executor.run(
        name,
        arguments,  # type: ignore[arg-type]
        inputs=case.inputs,
        outputs=[case.masks],
        grid=(-(-height // embed.ROWS), instances, batch),
        threads=embed.THREADS,
        shared=shared_bytes(case.head.parameters, width),
        backwards=backwards,
    )


def frame_kernel(case: FrameCase, form: str) -> str:
    dense = int(form == "pixels")
    return f"_ZN3stc4cuda18frame_masks_kernelILb{dense}E{TYPES[case.storage]}EEvNS_10FrameMasksEPv"


def run_frame_masks(executor: Executor, case: FrameCase, form: str) -> Run:
    """form: one of FRAME_FORMS, bits in words or a byte for each pixel."""
    out, words = getattr(case, form), -(-len(case.x) // WORD) * len(case.y)
    return executor.run(
        frame_kernel(case, form),
        [case.op(), out],
        inputs=case.inputs,
        outputs=[out],
        grid=(-(-words // FRAME_THREADS), len(case.probabilities), 1),
        threads=FRAME_THREADS,
    )
