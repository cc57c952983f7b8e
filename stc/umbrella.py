"""`stc`: all commands by one name. `stc track clip.mp4` is `stc-track clip.mp4`."""

# ruff: noqa: T201

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple

from stc import __version__
from stc.cli import command, ending, meant_by
from stc.completion import SHELLS, script
from stc.errors import InputError


class _Command(NamedTuple):
    module: str
    does: str


COMMANDS = {
    "track": _Command("stc.runtime.track.main", "track objects with masks through videos, pictures and live sources"),
    "export": _Command("stc.export.main", "make a bundle of a checkpoint: ONNX, engine, passport, proof"),
    "bench": _Command("stc.benchmarks.main", "measure models side by side, and prove that they agree"),
    "eval": _Command("stc.benchmarks.evaluation.main", "score results against ground truth, or write a submission"),
    "train": _Command("stc.training.main", "train or fine-tune a model"),
    "doctor": _Command("stc.runtime.machine.doctor", "say what this machine can run, and how to mend what it cannot"),
}


COMPLETION = "completion"
EXAMPLES = (
    "stc doctor                                    # what runs here?",
    "stc export --ckpt model.pth -o model",
    "stc track clip.mp4 --model model",
    "source <(stc completion bash)                 # TAB completes; in ~/.bashrc for good",
)


def main(argv: Sequence[str]) -> int:
    """Run the command that the first argument names with the others. Raises InputError where it names none."""
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(_usage())
        return 0
    name, *rest = argv
    if name == "--version":
        print(f"stc {__version__}")
        return 0
    if name == COMPLETION:
        print(_completion(rest), end="")
        return 0
    if name not in COMMANDS:
        raise InputError(f"stc {name}: no such command{meant_by(name, [*COMMANDS, COMPLETION])}; see: stc --help")
    code: int = import_module(COMMANDS[name].module).main(rest)
    return code


def _completion(shells: Sequence[str]) -> str:
    if len(shells) != 1 or shells[0] not in SHELLS:
        raise InputError(f"stc {COMPLETION}: give the shell: {' or '.join(SHELLS)}")
    return script(shells[0], {name: import_module(entry.module).parser() for name, entry in COMMANDS.items()})


def _usage() -> str:
    does = {name: entry.does for name, entry in COMMANDS.items()} | {
        COMPLETION: "print what makes bash or zsh complete"
    }
    width = max(map(len, does))
    lines = [f"  {name:{width}}  {text}" for name, text in does.items()]
    usage = "\n".join(["usage: stc COMMAND …", "", *lines, "", "options of each: stc COMMAND --help", ""])
    return usage + ending(EXAMPLES, {2: "not for this machine", 3: "accuracy missed", 4: "timing unstable"}).rstrip()


entry = command(main)
