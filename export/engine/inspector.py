"""TensorRT's engine inspector on a plan that was just built, where a GPU is. Never executed on a GPU."""

from __future__ import annotations

from stc.errors import IncompatibleError
from stc.export.engine.flavour import Flavour
from stc.export.engine.log import collector
from stc.runtime.machine import Machine
from stc.runtime.native import Missing


def ask_inspector(flavour: Flavour, plan: bytes, source: str, machine: Machine) -> str | Missing:
    """What it says of the engine's layers, JSON; why it was not asked where there is no driver or no GPU.

    The engine must have been built with detailed profiling verbosity, and its plugin be registered.
    Raises IncompatibleError when TensorRT refuses the plan that it has built for this GPU.
    """
    if machine.driver is None:
        return Missing("not asked, no NVIDIA driver here")
    if not machine.gpus:
        return Missing(f"not asked, no GPU here that CUDA can use ({machine.cuda_error or 'cuda-bindings is missing'})")
    module = flavour.module
    log = collector(module)
    log.clear()
    runtime = module.Runtime(log)
    runtime.engine_host_code_allowed = False
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None and flavour.targets:  # built ahead of time, perhaps for other GPUs than this one
        return Missing(f"not asked, this machine's {machine.gpus[0].name} does not load the plan ({log.errors()})")
    if engine is None:
        raise IncompatibleError(
            f"{source}: {flavour.title} built an engine and does not load it ({log.errors() or 'no reason given'}); "
            "see: stc-doctor"
        )
    inspector = engine.create_engine_inspector()
    return str(inspector.get_engine_information(module.LayerInformationFormat.JSON))
