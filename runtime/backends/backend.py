"""What a session asks of an engine: of every one, and of those that reach arrays in GPU memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from stc.runtime.bundle.contract import TensorSpec

if TYPE_CHECKING:
    from stc.runtime.backends.tensorrt.device_array import DeviceArray
    from stc.runtime.backends.tensorrt.resident.frame import Placed
    from stc.runtime.backends.tensorrt.resident.path import Unresized
    from stc.runtime.backends.tensorrt.resident.staging import Staged
    from stc.runtime.backends.tensorrt.resident.turns import Begun


class Backend(Protocol):
    """A loaded model: the graph contract (`contract.py`) on one device.

    device: "cpu", "cuda" (the first GPU) or "cuda:N". engine: what computes, and its version, in words; mask_head: what
    computes the masks, in words. batches: least and largest number of pictures at once; None: no limit.
    """

    @property
    def device(self) -> str: ...
    @property
    def engine(self) -> str: ...
    @property
    def mask_head(self) -> str: ...
    @property
    def inputs(self) -> Mapping[str, TensorSpec]: ...
    @property
    def outputs(self) -> Mapping[str, TensorSpec]: ...
    @property
    def batches(self) -> tuple[int, int | None]: ...

    def run(self, frames: Any, timings: dict[str, float] | None = None) -> dict[str, NDArray[Any]]:
        """The outputs by name for uint8 (B, H, W, 3).

        timings: takes the seconds of those parts of the call that the backend can tell apart: "upload" and "download"
        (to and from a GPU), and inside what remains "mask_head" and "enqueue" (the host's time to put the work there).
        """

    def close(self) -> None:
        """Give everything back. Closing twice is harmless."""


@runtime_checkable
class OnDevice(Protocol):
    """What a backend has besides, when it takes and leaves arrays in GPU memory."""

    def adopt(self, frames: Any) -> DeviceArray:
        """Another library's array in GPU memory, for `run`. Raises InputError when it is none."""

    def run_on_device(self, frames: Any) -> dict[str, DeviceArray]:
        """As `run`, with all rows of the outputs in GPU memory, valid until the next call."""


@runtime_checkable
class TakesFrames(Protocol):
    """What a backend has besides, when it takes whole frames and resizes them on its GPU."""

    @property
    def frames_refused(self) -> str:
        """Why it cannot here; "" where it can."""

    def place(self, frame: Any) -> Placed | Staged:
        """A frame for `begin`, from the host's memory or the GPU's; may be called while other threads are in `begin` or
        wait for outputs. Raises InputError when it is no frame, or elsewhere.
        """

    def begin(self, pictures: Sequence[Unresized]) -> Begun:
        """Put `pictures`, all of one input size, on their way, and return before they are there.

        `Begun.outputs` waits for them and gives, for each, the outputs as `run` gives them for one picture, but of the
        rows that its stream wishes alone, and for the masks `KeptRows`; its timings are those of `run`.
        """
