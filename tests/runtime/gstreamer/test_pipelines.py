"""The elements in pipelines that run, in Debian's GStreamer: by its own commands, and in a pytest of its own.

No process that runs other tests has GStreamer: its libunwind and libgcc do not understand each other (gst.py).
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from subprocess import PIPE

import pytest

from stc.runtime.gstreamer.settings import OverlaySettings, TrackSettings
from stc.runtime.machine import doctor
from tests.installs import ROOT

FOLDER = Path(__file__).parent
SYSTEM = Path("/usr/lib/python3/dist-packages/gi")
INSTALL = (
    "apt-get install --no-install-recommends python3-gst-1.0 gstreamer1.0-python3-plugin-loader gstreamer1.0-tools "
    "gstreamer1.0-plugins-base gstreamer1.0-plugins-good"
)
PLUGINS = [
    "app", "coreelements", "isomp4", "playback", "png", "rtp", "rtpmanager", "rtsp", "tcp",
    "typefindfunctions", "udp", "videoconvertscale", "videotestsrc",
]  # fmt: skip


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process that has GStreamer: its modules, and a few plugins with a registry of their own.

    Skips, with the reason, where the system has none for this version of Python.
    """
    version = f"cpython-{sys.version_info.major}{sys.version_info.minor}"
    there = importlib.util.find_spec("gi") is not None
    loader = next(Path("/usr/lib").glob("*/gstreamer-1.0/libgstpython.so"), None)
    if not (there or any(SYSTEM.glob(f"_gi.{version}-*.so"))) or loader is None or not shutil.which("gst-launch-1.0"):
        pytest.skip(f"no GStreamer for {version} with its loader of Python plugins; to run this: {INSTALL}")
    folder = tmp_path_factory.mktemp("gstreamer")
    for plugin in (loader.with_name(f"libgst{name}.so") for name in PLUGINS):
        if plugin.exists():
            (folder / plugin.name).symlink_to(plugin)
    modules = folder / "modules"
    modules.mkdir()
    (modules / "gi").symlink_to(SYSTEM)  # and nothing else of the system's Python
    searched = [os.environ.get("PYTHONPATH"), str(ROOT), None if there else str(modules)]
    return {
        **os.environ,
        "GST_PLUGIN_SYSTEM_PATH_1_0": str(folder),
        "GST_REGISTRY_1_0": str(folder / "registry.bin"),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join(filter(None, searched)),
    }


@pytest.mark.slow
def test_pipelines(variables: dict[str, str]) -> None:
    """Those in the files `in_*.py`, whose own report is shown where one fails."""
    files = sorted(map(str, FOLDER.glob("in_*.py")))
    command = [sys.executable, "-m", "pytest", "-p", "tests.runtime.gstreamer.pipelines", "--color=no", *files]
    done = subprocess.run(command, env=variables, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert len(files) == 3 and done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]


@pytest.fixture(scope="module")
def loader(variables: dict[str, str]) -> dict[str, str]:
    """The environment of somebody who has followed docs/gstreamer.md: GStreamer finds the elements by itself."""
    plugins = Path(variables["GST_PLUGIN_SYSTEM_PATH_1_0"])
    source = next(Path("/usr/lib").glob("*/gstreamer-1.0/libgstpython.so"))
    (plugins / source.name).symlink_to(source)
    done = called(variables, sys.executable, "-m", "stc.runtime.gstreamer")
    return variables | {"GST_PLUGIN_PATH": done.stdout.strip(), "GST_REGISTRY_1_0": str(plugins / "loader.bin")}


def called(variables: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize(("name", "settings"), [("stctrack", TrackSettings), ("stcoverlay", OverlaySettings)])
def test_gst_inspect_finds_it_with_all_that_can_be_set(name: str, settings: type, loader: dict[str, str]) -> None:
    shown = called(loader, "gst-inspect-1.0", name)
    assert shown.returncode == 0
    for field in fields(settings):
        assert f"  {field.name.replace('_', '-'):20}: {field.metadata['says']}" in shown.stdout


def test_gst_launch_writes_lines_to_stdout(loader: dict[str, str], bundle: Path) -> None:
    source = "videotestsrc num-buffers=5 ! video/x-raw,width=96,height=60,format=NV12,framerate=25/1"
    line = f"-q {source} ! stctrack model={bundle} every=2 jsonl=- ! videoconvert ! stcoverlay ! fakesink"
    done = called(loader, "gst-launch-1.0", *line.split())
    assert done.returncode == 0
    assert [json.loads(line)["index"] for line in done.stdout.splitlines()] == [0, 2, 4]


def test_gst_launch_shows_what_is_wrong(loader: dict[str, str], tmp_path: Path) -> None:
    done = called(loader, "gst-launch-1.0", *f"videotestsrc ! stctrack model={tmp_path}/none ! fakesink".split())
    assert done.returncode != 0
    assert f"ERROR: from element /GstPipeline:pipeline0/StcTrack:stctrack0: {tmp_path}/none: no such model" in (
        done.stdout + done.stderr
    )


def test_where_the_loader_has_no_numpy_it_says_so_in_a_line(loader: dict[str, str], tmp_path: Path) -> None:
    """As with a Python that is not that of the environment."""
    bare = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(SYSTEM.parent), "GST_REGISTRY_1_0": str(tmp_path / "registry")}
    if subprocess.run(["/usr/bin/python3", "-c", "import numpy"], env=bare, stderr=PIPE, check=False).returncode == 0:
        pytest.skip("the system's Python has NumPy")
    done = called(loader | bare, "gst-inspect-1.0", "stctrack")
    assert done.returncode != 0
    assert "stctrack is not there: No module named 'numpy'; see: stc-doctor" in done.stderr.splitlines()


def test_doctor_says_whether_they_are_found(
    loader: dict[str, str], variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in loader.items():
        monkeypatch.setenv(name, value)
    found = doctor.gstreamer(doctor.import_apart)
    assert (found.status, found.fix) == ("ok", None) and "finds stctrack and stcoverlay" in found.detail
    monkeypatch.delenv("GST_PLUGIN_PATH")
    found = doctor.gstreamer(doctor.import_apart)
    assert found.status == "missing" and "does not find stctrack" in found.detail
    assert found.fix is not None and "GST_PLUGIN_PATH=$(python -m stc.runtime.gstreamer)" in found.fix
