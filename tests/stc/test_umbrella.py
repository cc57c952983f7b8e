"""`stc`: every installed command by one name."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import pytest
import tomllib

from stc import __version__
from stc.cli import run
from stc.umbrella import COMMANDS, main
from tests.installs import ROOT


def test_every_installed_command_has_its_name_here() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    installed = {name: target for name, target in scripts.items() if name != "stc"}
    assert installed == {f"stc-{name}": f"{command.module}:entry" for name, command in COMMANDS.items()}


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
def test_without_a_command_all_are_listed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, arguments) == 0
    told = capsys.readouterr().out
    assert all(f"  {name} " in told and command.does in told for name, command in COMMANDS.items())


@pytest.mark.parametrize("name", ["track", "bench", "doctor"])
def test_a_command_gets_its_arguments(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(main, [name, "--version"])
    assert stopped.value.code == 0 and capsys.readouterr().out == f"stc {__version__}\n"
    assert run(main, [name, "--bogus"]) == 1
    assert f"stc-{name} --help" in capsys.readouterr().err


def test_a_near_miss_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, ["trak", "clip.mp4"]) == 1
    assert capsys.readouterr().err == "error: stc trak: no such command (did you mean track?); see: stc --help\n"
    assert run(main, ["track", "clip.mp4", "--model", "m", "--scoer", "0.5"]) == 1
    assert "did you mean --score?" in capsys.readouterr().err
    assert run(main, ["xyzzy"]) == 1
    assert "did you mean" not in capsys.readouterr().err


def test_the_module_is_the_command_and_imports_no_other() -> None:
    code = (
        "import sys, runpy; sys.argv = ['stc', '--version']\n"
        "try: runpy.run_module('stc', run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert not {'torch', 'onnx', 'cv2', 'numpy'} & set(sys.modules), sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"stc {__version__}\n", "")
    assert importlib.metadata.version("stc-trt") == __version__
