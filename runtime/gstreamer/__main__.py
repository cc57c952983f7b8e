"""`python -m stc.runtime.gstreamer`: where GStreamer finds our elements, for GST_PLUGIN_PATH."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from stc.cli import Parser, command


def main(argv: Sequence[str]) -> int:
    """Print the folder. Raises MissingDependencyError where this Python has no GStreamer, as its elements would."""
    parser = Parser(
        prog="python -m stc.runtime.gstreamer",
        description="Print the folder of the elements stctrack and stcoverlay: export GST_PLUGIN_PATH=$(…)",
    )
    parser.parse_args(argv)
    import_module("stc.runtime.gstreamer.gst")
    print(Path(__file__).parent)
    return 0


if __name__ == "__main__":
    command(main)()
