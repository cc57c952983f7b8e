"""The frame around every command: errors become one line on stderr and an exit code, never a traceback."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from stc.errors import InputError, StcError

# Packages that only some commands need, and the extra of ours that brings them.
EXTRAS = {
    "torch": "export",
    "onnx": "export",
    "onnxscript": "export",
    "safetensors": "export",
    "matplotlib": "train",
    "cv2": "headless",
}


class Parser(argparse.ArgumentParser):
    """Wrong usage ends with exit code 1 like all wrong input; argparse's 2 means an incompatible artefact here."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; see: {self.prog} --help")


def run(main: Callable[[Sequence[str]], int], argv: Sequence[str] | None = None) -> int:
    """Run `main(argv)` and return its exit code.

    `StcError` prints its message and returns its exit code; a missing optional package names the extra that brings it;
    Ctrl-C returns 130; a closed output pipe returns 141. Anything else is a bug and keeps its traceback.
    """
    logging.basicConfig(
        level=os.environ.get("STC_LOG", "WARNING").upper(), format="%(levelname)s %(name)s: %(message)s"
    )
    try:
        return main(sys.argv[1:] if argv is None else argv)
    except StcError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        print(f"error: {error.name} is not installed; fix: pip install 'stc-trt[{extra}]'", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader left (`| head`). Point stdout elsewhere so that the interpreter's final flush stays quiet.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
