"""The system's GStreamer within the environment of the tests, with the few plugins that they use."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.installs import ROOT

if TYPE_CHECKING:
    from tests.runtime.gstreamer.pipelines import Pipelines

SYSTEM = Path("/usr/lib/python3/dist-packages/gi")
INSTALL = (
    "apt-get install --no-install-recommends python3-gst-1.0 gstreamer1.0-python3-plugin-loader gstreamer1.0-tools "
    "gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-libav"
)
PLUGINS = [
    "app", "coreelements", "isomp4", "libav", "playback", "png", "python", "rtp", "rtpmanager", "rtsp", "tcp",
    "typefindfunctions", "udp", "videoconvertscale", "videotestsrc",
]  # fmt: skip


@pytest.fixture(scope="session")
def gst_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """This process and those that it starts have GStreamer: its modules, and its plugins with a registry of their own.

    Skips, with the reason, where the system has none for this version of Python.
    """
    version = f"cpython-{sys.version_info.major}{sys.version_info.minor}"
    gi_there = importlib.util.find_spec("gi") is not None
    loader = next(Path("/usr/lib").glob("*/gstreamer-1.0/libgstpython.so"), None)
    if (
        not (gi_there or any(SYSTEM.glob(f"_gi.{version}-*.so")))
        or loader is None
        or not shutil.which("gst-launch-1.0")
    ):
        pytest.skip(f"no GStreamer for {version} with its loader of Python plugins; to run this: {INSTALL}")
    folder = tmp_path_factory.mktemp("gstreamer")
    for plugin in (loader.with_name(f"libgst{name}.so") for name in PLUGINS):
        if plugin.exists():
            (folder / plugin.name).symlink_to(plugin)
    modules = folder / "modules"
    modules.mkdir()
    (modules / "gi").symlink_to(SYSTEM)  # and nothing else of the system's Python
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GST_PLUGIN_SYSTEM_PATH_1_0", str(folder))
        patch.setenv("GST_REGISTRY_1_0", str(folder / "registry.bin"))
        patch.setenv("GST_PLUGIN_PATH_1_0", str(ROOT / "stc" / "runtime" / "gstreamer"))
        if not gi_there:
            patch.syspath_prepend(modules)
            patch.setenv("PYTHONPATH", os.pathsep.join([str(modules), os.environ.get("PYTHONPATH", "")]))
        yield


@pytest.fixture(scope="session")
def pipelines(gst_environment: None) -> Pipelines:
    """What runs pipelines in this process, with the elements registered."""
    from tests.runtime.gstreamer.pipelines import Pipelines

    return Pipelines()
