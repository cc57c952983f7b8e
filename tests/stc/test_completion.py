"""What TAB gives, asked of the shells in a terminal. Functions stand for the commands and say what they were given."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from stc.cli import run
from stc.umbrella import COMMANDS, main

START = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i", "+o", "prompt_sp"],
}
PROMPT = "next? "
PATIENCE = 30.0  # seconds, of which a loaded machine may need some


class Shell:
    """An interactive shell; `typed` gives what a line wrote."""

    def __init__(self, name: str, folder: Path) -> None:
        self.terminal, inner = pty.openpty()
        environment = {**os.environ, "PS1": PROMPT, "TERM": "dumb", "HOME": str(folder)}
        self.process = subprocess.Popen(
            START[name], stdin=inner, stdout=inner, stderr=inner, cwd=folder, env=environment, start_new_session=True
        )
        os.close(inner)
        self._until(PROMPT)

    def typed(self, line: str) -> str:
        os.write(self.terminal, f"{line}\n".encode())
        return self._until(f"\n{PROMPT}")

    def _until(self, end: str) -> str:
        seen, limit = "", time.monotonic() + PATIENCE
        while time.monotonic() < limit:
            if select.select([self.terminal], [], [], 0.5)[0]:
                seen += os.read(self.terminal, 4096).decode(errors="replace").replace("\r", "")
                if (plain := re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]|\x07", "", seen)).endswith(end):
                    return plain
        raise TimeoutError(f"no {end!r} in {seen!r}")

    def close(self) -> None:
        os.close(self.terminal)
        self.process.kill()
        self.process.wait()


LINES = [
    ("stc-track --pol\tw\t", "<--policy><wait>"),
    ("stc-track --engine=onn\t", "<--engine=onnxruntime>"),
    ("stc-track --engine openvino:b\t", "<--engine><openvino:bf16>"),
    ("stc-track --engine=openvino:b\t", "<--engine=openvino:bf16>"),
    ("stc-track --model my-f\t", "<--model><my-file.onnx>"),
    ("stc-track my-f\t--cont\t", "<my-file.onnx><--contact>"),
    ("stc-export --hw-compat am\t", "<--hw-compat><ampere_plus>"),
    ("stc-bench my-file.onnx --scenario=off\t", "<my-file.onnx><--scenario=offline>"),
    ("stc-eval --write-r\tmy-f\t", "<--write-results><my-file.onnx>"),
    ("stc-train --config stc-lite-\t", "<--config><stc-lite-2>"),
    ("stc-doctor --j\t", "<--json>"),
    ("stc tra\t", "<tra>"),  # track or train
    ("stc trac\t --track\tidol", "<track><--tracker><idol>"),
    ("stc comp\tb\t", "<completion><bash>"),
    ("stc bench --mas\td\t", "<bench><--masks><dense>"),
]


@pytest.mark.parametrize("name", START)
def test_a_shell_completes_commands_options_choices_and_files(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"no {name} here")
    assert run(main, ["completion", name]) == 0
    (tmp_path / "script").write_text(capsys.readouterr().out)
    (tmp_path / "my-file.onnx").touch()
    shell = Shell(name, tmp_path)
    try:
        if name == "zsh":  # which would ask about folders that others may write
            shell.typed("autoload -Uz compinit && compinit -u -D")
        shell.typed("source ./script")
        for command in ("stc", *(f"stc-{name}" for name in COMMANDS)):
            shell.typed(f"{command}() {{ printf '<%s>' \"$@\"; echo; }}")
        for line, given in LINES:
            told = shell.typed(line).splitlines()
            assert given in told, (line, told)
    finally:
        shell.close()


@pytest.mark.parametrize("arguments", [[], ["fish"], ["bash", "zsh"]])
def test_another_shell_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(main, ["completion", *arguments]) == 1
    assert capsys.readouterr().err == "error: stc completion: give the shell: bash or zsh\n"
