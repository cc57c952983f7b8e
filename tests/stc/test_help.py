"""The help of every command."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from importlib import import_module

import pytest

from stc.cli import CODES, run
from stc.umbrella import COMMANDS, main


def help_of(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What is printed by `stc NAME --help`, or for "" by `stc --help`."""
    try:
        assert run(main, [*name.split(), "--help"]) == 0
    except SystemExit as stopped:
        assert stopped.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_it_ends_with_examples_that_parse_and_with_exit_codes(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    ending = re.search(r"\nexamples:\n((?:  .+\n)+)\nexit codes:\n((?: +\d+  .+\n)+)$", help_of(name, capsys))
    assert ending is not None
    examples = [shlex.split(line, comments=True) for line in ending[1].splitlines()]
    assert len(examples) >= 2 and all(max(map(len, line.split("#"))) <= 118 for line in ending[1].splitlines())
    for command, *words in examples:
        if command == "source":  # of the shell: tests/stc/test_completion.py
            continue
        asked, *arguments = [*command.split("-")[1:], *words]
        assert command == (f"stc-{name}" if name else "stc")
        if ">" in arguments:
            arguments = arguments[: arguments.index(">")]
        try:
            import_module(COMMANDS[asked].module).parser().parse_args(arguments)
        except SystemExit as stopped:  # --settings
            assert stopped.code == 0
    codes = {int(code): meaning for code, meaning in re.findall(r"^ +(\d+)  (.+)$", ending[2], re.MULTILINE)}
    assert codes.keys() >= CODES.keys() and codes.keys() <= {0, 1, 2, 3, 4, 130}


def test_no_help_imports_what_is_slow_to_import() -> None:
    code = (
        "import sys; from importlib import import_module; from stc.umbrella import COMMANDS\n"
        "for entry in COMMANDS.values(): import_module(entry.module).parser().format_help()\n"
        "print(sorted({'torch', 'cv2', 'av', 'onnx', 'onnxruntime', 'scipy', 'rich', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
