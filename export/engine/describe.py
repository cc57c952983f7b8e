"""An engine, or the reason why there is none, in words."""

from __future__ import annotations

from stc.export.engine import engine_layers
from stc.export.engine.build import Engine
from stc.runtime.engine_record import ENGINE_FILE
from stc.runtime.machine import NAMES
from stc.runtime.native import Missing

NEVER_RUN = "the engine itself was not run: that takes a GPU"


def sentence(built: Engine | Missing) -> str:
    """One sentence for the terminal and the report."""
    if isinstance(built, Missing):
        return f"no TensorRT engine was built: {built.reason}. model.onnx runs in ONNX Runtime as it is."
    record = built.record
    least, optimal, largest = record.batch
    batch = str(least) if least == largest else f"{least} to {largest}, best at {optimal}"
    plugin = "from standard operators" if record.plugin is None else f"by plugin ({record.plugin.route})"
    return (
        f"{ENGINE_FILE}: {NAMES[record.flavour]} {record.version} for {', '.join(record.targets)}, batch {batch}, of "
        f"{record.source}; mask head {plugin}; {built.audit}; "
        f"{engine_layers.sentence(built.layers)}; {NEVER_RUN}."
    )
