"""What a user may ask of an engine, checked against the TensorRT that builds it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from stc.errors import IncompatibleError, InputError
from stc.export.engine.toolchain import OLDEST_EMBED, Asked, Toolchain
from stc.export.sizes import Batch, Size, Sizes, sizes_of
from stc.runtime.letterbox import Letterbox

AskedPlugin = Literal["auto", "library", "embed", "none"]
HardwareCompatibility = Literal["none", "ampere_plus", "same_compute_capability"]
# What TensorRT-RTX is asked for unless told otherwise. SM75 has no float32 matrix product there, which our NMS uses.
RTX_TARGETS = ("SM80", "SM86", "SM89", "SM120")
MAX_OPT_LEVEL = 5
MAX_WORKSPACE_GIB = 1024.0


@dataclass(frozen=True)
class EngineOptions:
    """How to build an engine. Raises InputError for a value out of range.

    sizes: of the input, where the model takes any; None: those that its rule gives. targets: compute capabilities, RTX
    only; empty: the default set. workspace: GiB of GPU memory that a layer may use; None: TensorRT's default, all there
    is. opt_level: 0 (fastest build) to 5 (fastest engine); None: TensorRT's default, 3. timing_cache: a file that is
    read if it exists and written after the build.
    """

    trt: Asked = "auto"
    plugin: AskedPlugin = "auto"
    batch: Batch = Batch()  # noqa: RUF009  (frozen)
    sizes: Sizes | None = None
    targets: tuple[str, ...] = ()
    workspace: float | None = None
    opt_level: int | None = None
    hw_compat: HardwareCompatibility = "none"
    timing_cache: Path | None = None

    def __post_init__(self) -> None:
        if self.workspace is not None and not 0 < self.workspace <= MAX_WORKSPACE_GIB:
            raise InputError(f"--workspace {self.workspace:g}: must be more than 0 and at most 1024 GiB")
        if self.opt_level is not None and not 0 <= self.opt_level <= MAX_OPT_LEVEL:
            raise InputError(f"--opt-level {self.opt_level}: must be from 0 to {MAX_OPT_LEVEL}")

    def asked(self) -> list[str]:
        """The options given that only an engine has, as typed."""
        given = {
            f"--plugin {self.plugin}": self.plugin != "auto",
            "--sizes": self.sizes is not None,
            "--target": bool(self.targets),
            "--workspace": self.workspace is not None,
            "--opt-level": self.opt_level is not None,
            "--hw-compat": self.hw_compat != "none",
            "--timing-cache": self.timing_cache is not None,
        }
        return [option for option, present in given.items() if present]


def for_sizes(
    options: EngineOptions, fixed: bool, letterbox: Callable[[Size], Letterbox], frame: Size
) -> EngineOptions:
    """`options` with the sizes of a model that takes any: where none are asked for, `sizes_of`.

    Raises InputError for sizes of a model that takes one.
    """
    if fixed:
        if options.sizes is not None:
            raise InputError(
                f"--sizes {options.sizes}: this model takes one input size; leave it out, or choose --size"
            )
        return options
    return options if options.sizes else replace(options, sizes=sizes_of(letterbox, frame))


def parse_targets(texts: Sequence[str]) -> tuple[str, ...]:
    """`["SM89,sm120", "86"]` -> `("SM86", "SM89", "SM120")`. Raises InputError for anything else."""
    names = [name for text in texts for name in text.split(",")]
    found = [re.fullmatch(r"(?:sm_?)?(\d{2,3})", name.strip(), re.IGNORECASE) for name in names]
    if None in found:
        raise InputError(f"--target {','.join(texts)}: must be compute capabilities such as SM86,SM89")
    return tuple(f"SM{number}" for number in sorted({int(match[1]) for match in found if match}))


def resolve(options: EngineOptions, toolchain: Toolchain) -> EngineOptions:
    """`options` with the plugin route and the targets decided.

    Raises InputError for an option that this TensorRT does not have, IncompatibleError for one that needs a newer
    version of it.
    """
    checked = _for_rtx(options, toolchain) if toolchain.name == "rtx" else _for_tensorrt(options, toolchain)
    if checked.hw_compat != "none" and checked.hw_compat.upper() not in (
        levels := toolchain.module.HardwareCompatibilityLevel.__members__
    ):
        raise IncompatibleError(
            f"{toolchain.title} has no hardware compatibility {checked.hw_compat}; it has "
            f"{', '.join(name.lower() for name in levels)}: choose one with --hw-compat"
        )
    return checked


def _for_rtx(options: EngineOptions, toolchain: Toolchain) -> EngineOptions:
    if options.plugin in {"library", "embed"}:
        raise InputError(
            f"--plugin {options.plugin}: {toolchain.title} has no plugins; leave it out (the mask head is then built "
            "from standard operators), or build with: --trt tensorrt"
        )
    if options.timing_cache is not None:
        raise InputError(f"--timing-cache: {toolchain.title} times nothing when it builds; leave it out")
    if options.hw_compat != "none":
        raise InputError(
            f"--hw-compat: {toolchain.title} builds for several GPUs by itself; name them with: --target SM"
        )
    targets = options.targets or RTX_TARGETS
    if unknown := sorted(set(targets) - set(known := toolchain.targets)):
        raise InputError(
            f"--target {','.join(unknown)}: {toolchain.title} builds for {', '.join(known)}; choose of these"
        )
    return replace(options, plugin="none", targets=targets)


def _for_tensorrt(options: EngineOptions, toolchain: Toolchain) -> EngineOptions:
    if options.targets:
        raise InputError(
            f"--target: {toolchain.title} builds for the GPU that it runs on; leave it out, or build with: --trt rtx"
        )
    if options.plugin == "embed" and toolchain.release < OLDEST_EMBED:
        raise IncompatibleError(
            f"--plugin embed needs TensorRT {'.'.join(map(str, OLDEST_EMBED))} or newer, this is {toolchain.version}; "
            "build with: --plugin library"
        )
    return replace(options, plugin="library") if options.plugin == "auto" else options
