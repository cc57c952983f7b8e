"""What `import stc.runtime` loads."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import stc.runtime

HEAVY = ("torch", "cv2", "scipy", "av", "onnxruntime", "onnx", "rich", "PIL", "pycocotools", "supervision")


def _loaded(code: str) -> set[str]:
    script = f"import json, sys\n{code}\nprint(json.dumps(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_import_loads_nothing_heavy() -> None:
    assert _loaded("import stc.runtime").isdisjoint(HEAVY)


def test_every_public_name_is_there_and_loads_nothing_heavy() -> None:
    names = ", ".join(stc.runtime.__all__)
    assert _loaded(f"from stc.runtime import {names}").isdisjoint(HEAVY)


def test_sources_and_sinks_load_nothing_heavy_before_they_are_used() -> None:
    assert _loaded("import stc.runtime.video").isdisjoint(HEAVY)


def test_running_a_model_never_loads_torch() -> None:
    code = (
        "import tempfile\n"
        "from pathlib import Path\n"
        "from stc.runtime import Session\n"
        "from tests.runtime import tiny_model\n"
        "with tempfile.TemporaryDirectory() as folder:\n"
        "    stream = Session(tiny_model.write_bundle(Path(folder) / 'b'), threads=1).stream()\n"
        "    result = stream(tiny_model.frame((0, (8, 8, 40, 40))))\n"
        "    assert len(result.masks.rle()) == 1"
    )
    assert "torch" not in _loaded(code)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Sessoin'"):
        stc.runtime.Sessoin  # noqa: B018
