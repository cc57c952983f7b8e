"""What the real TensorRT-RTX says to plans that are none, on any machine: it reads a header before it needs a GPU."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("tensorrt_rtx") is None, reason="TensorRT-RTX is not installed (Linux x86-64 only)"),
]

# In a process of its own: TensorRT may end the process, and nothing else should have loaded it.
CODE = """
import sys
from importlib.util import find_spec
from pathlib import Path
import tensorrt_rtx as trt
from stc.errors import IncompatibleError
from stc.runtime.backends.tensorrt.engine import collector, deserialize

log = collector(trt)
builder = trt.Builder(log)
network = builder.create_network(0)
tensor = network.add_input("frames", trt.float32, (1, 4))
layer = network.add_activation(tensor, trt.ActivationType.SIGMOID)
network.mark_output(layer.get_output(0))
config = builder.create_builder_config()
config.num_compute_capabilities = 1
config.set_compute_capability(trt.ComputeCapability.SM89, 0)
plan = bytes(builder.build_serialized_network(network, config))
foreign = b"ftrt" + plan[4:]  # the beginning of a plan of TensorRT proper
altered = plan[:4] + bytes([plan[4] ^ 255]) + plan[5:]  # another format version
for name, content in {
    "empty": b"", "garbage": bytes(range(256)) * 40, "truncated": plan[: len(plan) // 2], "tiny": plan[:10],
    "foreign": foreign, "altered": altered,
}.items():
    log.clear()
    try:
        deserialize(trt, log, content, None, Path(f"{name}.plan"), "rtx")
        print(name, "accepted")
    except IncompatibleError as error:
        print(error.exit_code, error)
"""


def test_what_is_no_plan_is_refused_with_tensorrt_s_own_words(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text(CODE)
    done = subprocess.run([sys.executable, str(tmp_path / "code.py")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 6, done.stdout
    for line in lines:
        assert line.startswith("2 ") and "refuses this plan, which is damaged, truncated or built by another" in line
        assert "stc-export --onnx FILE --trt rtx" in line and "gave no reason" not in line, line
    assert "magicTag" in lines[1]
