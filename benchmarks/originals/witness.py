"""One original in a process of its own: two of them have packages of the same name."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from stc.boundary import foreign, reason
from stc.errors import InputError, StcError

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from stc.benchmarks.originals.frames import Array
    from stc.benchmarks.originals.seen import Seen

FIX = "take the commits that docs/fidelity.md names"


@dataclass(frozen=True)
class Original:
    """title: in the table. checkout: its root; None for mmdetection, which is installed. detectron2: the root of that
    one's. config: below configs/; options: names and values that are set after it. loop: its own tracking loop is run
    too.
    """

    title: str
    checkout: Path | None = None
    detectron2: Path | None = None
    config: str = ""
    options: tuple[str, ...] = ()
    loop: bool = False


@dataclass(frozen=True)
class Testimony:
    """checkpoint: as the original wrote it. seen: by frame name; again: the same without oneDNN, whose convolutions add
    up in another order. loop: where the tracks of its own loop are.
    """

    checkpoint: Path
    seen: dict[str, Path]
    again: dict[str, Path]
    loop: Path | None


def hear(original: Original, frames: Mapping[str, Array], folder: Path) -> Testimony:
    """What `original` finds in `frames`; all that it writes is in `folder`.

    Raises InputError when it cannot be imported or fails.
    """
    context = get_context("spawn")
    answer, ask = context.Pipe(duplex=False)
    process = context.Process(target=_testify, args=(original, dict(frames), folder, ask))
    process.start()
    ask.close()
    try:
        said: Testimony | StcError = answer.recv()
    except EOFError as error:
        raise InputError(f"{original.title}: its process ended without an answer; look at: free -h") from error
    finally:
        process.terminate()
        process.join()
    if isinstance(said, StcError):
        raise said
    return said


def _testify(original: Original, frames: dict[str, Array], folder: Path, answer: Connection) -> None:
    try:
        # Its prints are not ours to give out: stdout has the table.
        with redirect_stdout(sys.stderr), foreign(original.title, original.checkout or "mmdet", FIX):
            said: Testimony | StcError = _run(original, frames, folder)
    except ModuleNotFoundError as error:
        said = InputError(
            f"{original.title} imports {error.name}, which is not installed; fix: pip install {error.name}"
        )
    except ImportError as error:  # of another version than it was written for
        said = InputError(f"{original.title}: {reason(error)}; {FIX}")
    except StcError as error:
        said = error
    answer.send(said)


def _run(original: Original, frames: dict[str, Array], folder: Path) -> Testimony:
    import torch

    from stc.benchmarks.originals import identities, stand_ins
    from stc.benchmarks.originals.detectron import make as make_on_detectron2
    from stc.benchmarks.originals.mmdetection import make as make_on_mmdetection

    stand_ins.install()
    first = next(iter(frames.values()))
    predict: Callable[[Array], Seen]
    if original.checkout is None or original.detectron2 is None:
        checkpoint, predict = make_on_mmdetection(folder, first)
    else:
        roots = original.checkout, original.detectron2
        checkpoint, predict = make_on_detectron2(*roots, original.config, original.options, folder, first)
    seen, again = ({name: folder / f"{name}-{run}.npz" for name in frames} for run in ("seen", "again"))
    for name, frame in frames.items():
        predict(frame).write(seen[name])
        with torch.backends.mkldnn.flags(enabled=False):
            predict(frame).write(again[name])
    loop = None
    if original.loop and original.checkout is not None:
        loop = identities.theirs(original.checkout, original.config, checkpoint, folder)
    return Testimony(checkpoint, seen, again, loop)
