"""The kernels that ship inside plans, as compiled PTX, executed on the CPU: their values, and what they touch.

No GPU is needed, and none is replaced: see `executor.py` for what this cannot show.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stc.export.engine import embed
from tests.plugins.ptx.executor import Executor, Run
from tests.plugins.ptx.translate import UnknownFormError, translate
from tests.plugins.toolchain import PLUGINS
from tests.reference.condinst import mask_head

Array = NDArray[Any]
STORAGE: dict[str, type] = {"f32": np.float32, "f16": np.float16}
# float32's own rounding; half a step of float16 just below 1, where probabilities are stored.
TOLERANCE = {"f32": 1e-5, "f16": 2.0**-12 + 1e-5}
INSTRUCTIONS = {"f32": 97.8, "f16": 94.4}  # per pixel of the output, as nvcc 13.0 compiles them; 5 % are allowed
SIZES = [(1, 1), (8, 8), (9, 7), (17, 16), (16, 28), (7, 2), (8, 3), (12, 120)]


@dataclass(frozen=True)
class Case:
    """The op's inputs in memory, and its output; `shift`: elements from an address that is aligned to 256 bytes."""

    features: Array
    params: Array
    locations: Array
    sizes: Array
    count: Array
    masks: Array

    @classmethod
    def random(cls, seed: int, storage: str, batch: int, instances: int, size: tuple[int, int], shift: int = 0) -> Case:
        rng, kind = np.random.default_rng(seed), STORAGE[storage]
        height, width = size
        return cls(
            _placed(rng.normal(size=(batch, 8, height, width)).astype(kind), shift),
            _placed(0.5 * rng.normal(size=(batch, instances, 169)).astype(kind), shift),
            _placed(rng.uniform(0, (8 * width, 8 * height), (batch, instances, 2)).astype(np.float32)),
            _placed(rng.choice([64, 128, 256, 512], (batch, instances)).astype(np.float32)),
            _placed(rng.integers(0, instances + 1, batch).astype(np.int32)),
            _placed(np.full((batch, instances, 2 * height, 2 * width), np.nan, kind), shift),
        )

    def expected(self) -> Array:
        """By the independent float64 statement; zero beyond the count."""
        masks = np.zeros(self.masks.shape)
        for image, count in enumerate(self.count.clip(0, self.params.shape[1])):
            rows = slice(0, int(count))
            inputs = (self.features[image], self.params[image, rows], self.locations[image, rows])
            masks[image, rows] = mask_head(*(x.astype(np.float64) for x in (*inputs, self.sizes[image, rows])))
        return masks

    def run(self, executor: Executor, storage: str, *, backwards: bool = False) -> Run:
        self.masks[...] = np.nan
        batch, _, height, width = self.features.shape
        instances = self.params.shape[1]
        return executor.run(
            embed.ENTRY[{"f32": "FLOAT", "f16": "HALF"}[storage]],
            [
                *(self.features, self.params, self.locations, self.sizes, self.count),
                *(instances, height, width, self.masks),
            ],
            [self.masks],
            grid=(-(-height // embed.ROWS), instances, batch),
            threads=embed.THREADS,
            shared=(width * (embed.ROWS + embed.HALO) + embed.TABLE) * embed.FLOAT_SIZE,
            backwards=backwards,
        )


def _placed(values: Array, shift: int = 0) -> Array:
    """A copy at an address that is `shift` elements behind one aligned to 256 bytes, as the kernel may be given."""
    room = np.zeros(values.nbytes + 256 + shift * values.itemsize, np.uint8)
    start = -room.ctypes.data % 256 + shift * values.itemsize
    placed = room[start : start + values.nbytes].view(values.dtype).reshape(values.shape)
    placed[...] = values
    return placed


@pytest.fixture(scope="module")
def ptx(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Compiled as the build does; skips where there is no nvcc."""
    if shutil.which("nvcc") is None:
        pytest.skip("no nvcc here, so there is no compiled PTX")
    path = tmp_path_factory.mktemp("ptx") / "embedded.ptx"
    command = ["nvcc", "-std=c++17", "-O3", "-ptx", "-arch=compute_75", f"-I{PLUGINS / 'include'}"]
    subprocess.run([*command, str(PLUGINS / "cuda" / "embedded.cu"), "-o", str(path)], check=True)
    return path.read_text()


@pytest.fixture(scope="module")
def executor(ptx: str, tmp_path_factory: pytest.TempPathFactory) -> Executor:
    return Executor(ptx, tmp_path_factory.mktemp("executor"))


@pytest.mark.slow
@pytest.mark.parametrize("storage", STORAGE)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shift", [0, 1])
def test_equals_the_formula_and_touches_only_what_it_may(
    executor: Executor, storage: str, size: tuple[int, int], shift: int
) -> None:
    case = Case.random(size[1], storage, 2, 3, size, shift)
    run = case.run(executor, storage)
    assert run.faults == ()
    assert np.isfinite(case.masks).all(), "every pixel is written"
    assert np.abs(case.masks.astype(np.float64) - case.expected()).max() <= TOLERANCE[storage]


@pytest.mark.slow
@pytest.mark.parametrize("storage", STORAGE)
def test_the_order_of_the_threads_changes_no_byte(executor: Executor, storage: str) -> None:
    case = Case.random(0, storage, 1, 2, (17, 16))
    case.count[...] = 2
    case.run(executor, storage)
    forwards = case.masks.copy()
    assert case.run(executor, storage, backwards=True).faults == ()
    assert case.masks.tobytes() == forwards.tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("count", [-5, 0, 3, 2**31 - 1])
def test_any_count_is_taken_and_rows_beyond_it_are_zero_whatever_they_hold(executor: Executor, count: int) -> None:
    case = Case.random(1, "f32", 1, 3, (9, 7))
    case.count[...] = count
    case.params[:, max(0, min(count, 3)) :] = np.nan
    assert case.run(executor, "f32").faults == ()
    assert np.abs(case.masks - case.expected()).max() <= TOLERANCE["f32"]


@pytest.mark.slow
def test_a_full_picture_executes_no_more_instructions_than_recorded(executor: Executor) -> None:
    """Per pixel of the output, of 3 instances at the demo model's size: a slower source shows without a GPU."""
    for storage, most in INSTRUCTIONS.items():
        case = Case.random(2, storage, 1, 3, (32, 56))
        case.count[...] = 3
        run = case.run(executor, storage)
        assert sum(run.executed.values()) / case.masks.size <= 1.05 * most


MUTATIONS = {
    "the first barrier removed": (r"bar\.sync[ \t]+0;", 0, ""),
    "the second barrier removed": (r"bar\.sync[ \t]+0;", 1, ""),
    "a block's row taken for its column": (r"%ctaid\.x", 0, "%ctaid.y"),
    "a product and sum that lost the sum": (
        *(r"fma\.rn\.f32[ \t]+(%f\d+), (%f\d+), (%f\d+), %f\d+;", 60, r"mul.f32 \1, \2, \3;"),
    ),
    "parameters read 16 bytes off": (r"(ld\.shared\.v4\.f32[ \t]+\{[^}]*\}, \[\w+\+)(\d+)\]", 2, None),
    "threads that step 127 for 128": (r"(add\.s32[ \t]+%r\d+, %r\d+, )128;", 0, r"\g<1>127;"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("what", MUTATIONS)
def test_planted_faults_are_found(what: str, ptx: str, tmp_path: Path) -> None:
    pattern, index, replacement = MUTATIONS[what]
    match = list(re.finditer(pattern, ptx))[index]
    changed = match.expand(replacement) if replacement is not None else f"{match[1]}{int(match[2]) + 16}]"
    mutant = Executor(ptx[: match.start()] + changed + ptx[match.end() :], tmp_path)
    found = False
    for size in ((17, 16), (9, 7), (12, 120)):
        case = Case.random(3, "f32", 1, 3, size)
        case.count[...] = 3
        run = case.run(mutant, "f32")
        wrong = np.abs(case.masks - case.expected())
        found |= bool(run.faults) or not np.isfinite(wrong).all() or wrong.max() > TOLERANCE["f32"]
    assert found


HEAD = ".visible .entry k(\n.param .u64 k_param_0\n)\n{\n.reg .f32 %f<3>;\n.reg .b64 %rd<3>;\n"


@pytest.mark.parametrize(
    "instruction",
    [
        *("sin.approx.f32 %f1, %f2;", "fma.rz.f32 %f1, %f2, %f2, %f2;", "add.sat.f32 %f1, %f1, %f2;"),
        *("ld.global.nc.f32 %f1, [%rd1];", "mov.f32 %f1, %laneid;", "setp.lt.and.f32 %p1, %f1, %f2, %p2;"),
        *("cvt.rz.f32.s32 %f1, %r1;", "bra.weird L1;", "shfl.sync.bfly.b32 %f1, %f2, 1, 31, -1;"),
    ],
)
def test_an_unknown_form_is_an_error_and_no_guess(instruction: str) -> None:
    with pytest.raises(UnknownFormError):
        translate(f"{HEAD}{instruction}\nret;\n}}")
