"""`stc-doctor`: what is installed here, what is broken, and the command that mends it.

Each finding is decided on its own, so that one broken package hides no other.
"""

# ruff: noqa: T201

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, Literal

from stc.cli import Parser, command
from stc.runtime.machine import machine
from stc.runtime.machine.flavour import BRANCHES, FLAVOURS, Flavour, required_driver
from stc.runtime.machine.machine import Machine
from stc.runtime.machine.plugin import VARIABLE, Plugin
from stc.runtime.native import library

Status = Literal["ok", "missing", "broken"]
TIMEOUT = 60  # seconds for importing one package; a hanging one is broken


@dataclass(frozen=True)
class Finding:
    """`fix` is a command or an advice; None where nothing is to be done."""

    name: str
    status: Status
    detail: str
    fix: str | None = None


@dataclass(frozen=True)
class Diagnosis:
    """`engines` are what can run a model here; `verdict` says it in a sentence."""

    findings: tuple[Finding, ...]
    engines: tuple[str, ...]
    verdict: str


@dataclass(frozen=True)
class Imported:
    """What came of importing a package in a process of its own: the value of an expression, or the last error line."""

    value: Any = None
    error: str | None = None


Importer = Callable[[str, str], Imported]


def import_apart(module: str, expression: str) -> Imported:
    """Import `module` in another process, since a broken one can abort or hang, and evaluate `expression` there."""
    code = f"import json, {module}\nprint(json.dumps({expression}))"
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        return Imported(error=str(error))
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        return Imported(error=lines[-1] if lines else f"the process died ({done.returncode})")
    try:
        return Imported(json.loads(done.stdout.strip().splitlines()[-1]))
    except (IndexError, ValueError):
        return Imported(error="it printed something unexpected")


def examine(importer: Importer = import_apart) -> Diagnosis:
    """Look at everything. Never raises."""
    here = machine.gather()
    probes: list[Callable[[], Finding]] = [
        lambda: driver(here),
        lambda: gpu(here),
        lambda: cuda_bindings(here),
        *(partial(tensorrt, here, flavour, importer) for flavour in FLAVOURS.values()),
        lambda: plugin(here),
        native_library,
        lambda: onnxruntime(here, installed_of("onnxruntime", "onnxruntime-gpu"), importer),
        lambda: openvino(installed_of("openvino").get("openvino"), importer),
        lambda: opencv(opencvs(), importer),
        lambda: gstreamer(importer),
        lambda: package("PyAV", "av", "av.__version__", "pip install --force-reinstall av", importer),
        lambda: package("Pillow", "PIL", "PIL.__version__", "pip install --force-reinstall Pillow", importer),
    ]
    findings = tuple(_guarded(probe) for probe in probes)
    engines = tuple(_engines(findings))
    verdict = (
        f"this machine runs models with {' and '.join(engines)}"
        if engines
        else "nothing here can run a model; the shortest way: pip install 'stc-trt[cpu]'"
    )
    return Diagnosis(findings, engines, verdict)


def _guarded(probe: Callable[[], Finding]) -> Finding:
    try:
        return probe()
    except Exception as error:  # a probe of ours failed: say so and go on
        return Finding("probe", "broken", f"{type(error).__name__}: {error}")


def _engines(findings: Sequence[Finding]) -> list[str]:
    ok = {finding.name for finding in findings if finding.status == "ok"}
    gpu_ready = {"NVIDIA driver", "GPU", "cuda-bindings"} <= ok
    engines = [name for name in (flavour.title for flavour in FLAVOURS.values()) if gpu_ready and name in ok]
    return engines + [name for name in ("ONNX Runtime", "OpenVINO") if name in ok]


def driver(here: Machine) -> Finding:
    name = "NVIDIA driver"
    if here.driver is None:
        fix = f"for engines install a driver ({required_driver('tensorrt', '')}); models run on the CPU without one"
        return Finding(name, "missing", "none; engines cannot run", fix)
    served = here.driver.cuda
    detail = f"{here.driver.version or 'version unknown'}, serves CUDA {served or '(unknown: no cuda-bindings)'}"
    if too_new := [found for found in here.tensorrt if not here.serves(found.cuda)]:
        wanted = required_driver(too_new[0].flavour, too_new[0].version or "", too_new[0].cuda)
        return Finding(name, "broken", f"{detail}, too old for {too_new[0]}", f"install a driver of {wanted}")
    return Finding(name, "ok", detail)


def gpu(here: Machine) -> Finding:
    if here.gpus:
        listed = ", ".join(
            (f"cuda:{number} " if len(here.gpus) > 1 else "")
            + f"{found.name} ({found.target}, {found.memory / 2**30:.1f} GiB)"
            for number, found in enumerate(here.gpus)
        )
        return Finding("GPU", "ok", listed)
    if here.driver is None:
        return Finding("GPU", "missing", "no driver to ask")
    if here.cuda_bindings is None:
        return Finding("GPU", "missing", "cannot be asked without cuda-bindings", "pip install 'stc-trt[tensorrt]'")
    return Finding("GPU", "broken", f"CUDA finds none ({here.cuda_error})", "see: nvidia-smi, CUDA_VISIBLE_DEVICES")


def cuda_bindings(here: Machine) -> Finding:
    name = "cuda-bindings"
    if here.cuda_bindings is None:
        return Finding(name, "missing", "not installed; engines need it", "pip install 'stc-trt[tensorrt]'")
    major = int(here.cuda_bindings.split(".")[0])
    if here.driver and not here.serves(major):
        return Finding(
            name,
            "broken",
            f"{here.cuda_bindings}, but the driver serves CUDA {here.driver.cuda} at most",
            f"pip install 'cuda-bindings<{major}', or a driver of branch R{BRANCHES.get(major, 580)} or newer",
        )
    return Finding(name, "ok", here.cuda_bindings)


def tensorrt(here: Machine, flavour: Flavour, importer: Importer) -> Finding:
    name, install = flavour.title, flavour.install
    found = here.find(flavour.name)
    if found is None:
        return Finding(name, "missing", "not installed", f"{install} (with an NVIDIA GPU)")
    imported = importer(flavour.module, f"{flavour.module}.__version__")
    if imported.error:
        fix = install.replace("install", "install --force-reinstall", 1)
        return Finding(name, "broken", f"installed, does not import: {imported.error}", fix)
    return Finding(name, "ok", f"{imported.value}" + (f", for CUDA {found.cuda}" if found.cuda else ""))


def plugin(here: Machine) -> Finding:
    name = "plugin library"
    if isinstance(here.plugin, Plugin):
        built = f", CUDA {here.plugin.cuda}" if here.plugin.cuda else ""
        detail = f"{here.plugin.path} (sha256 {here.plugin.sha256[:12]}…{built})"
        if here.driver is not None and not here.serves(here.plugin.cuda):
            wanted = required_driver("tensorrt", "", here.plugin.cuda)
            fix = f"install a driver of {wanted}, or build it with an older CUDA: make plugin"
            return Finding(name, "broken", f"{detail}, but the driver serves CUDA {here.driver.cuda} at most", fix)
        return Finding(name, "ok", detail)
    fix = f"engines run without it; to use one: {VARIABLE}=FILE"
    return Finding(name, "missing", here.plugin.reason, fix)


def native_library() -> Finding:
    name = "native CPU library"
    found = library.find()
    if isinstance(found, library.Library):
        return Finding(name, "ok", f"{found.kernels} kernels, {found.threads} threads")
    there = library.FILE.is_file()
    return Finding(
        name, "broken" if there else "missing", found.reason, "pip install --force-reinstall --no-deps stc-trt"
    )


def installed_of(*packages: str) -> dict[str, str]:
    """Versions of those of the packages that are installed."""
    return {name: number for name in packages if (number := machine.installed(name)) is not None}


def onnxruntime(here: Machine, packages: dict[str, str], importer: Importer) -> Finding:
    name = "ONNX Runtime"
    if not packages:
        return Finding(name, "missing", "not installed", "pip install 'stc-trt[cpu]', or [gpu] with an NVIDIA GPU")
    listed = " and ".join(f"{package} {number}" for package, number in packages.items())
    if len(packages) > 1:
        keep = "gpu" if here.gpus else "cpu"
        fix = f"pip uninstall -y {' '.join(packages)} && pip install 'stc-trt[{keep}]'"
        return Finding(name, "broken", f"{listed} overwrite each other", fix)
    imported = importer("onnxruntime", "onnxruntime.get_available_providers()")
    if imported.error:
        fix = f"pip install --force-reinstall {next(iter(packages))}"
        return Finding(name, "broken", f"{listed}, does not import: {imported.error}", fix)
    # The list is what was compiled in; whether CUDA loads shows only when a session asks for it.
    providers = ", ".join(name.removesuffix("ExecutionProvider") for name in imported.value)
    return Finding(name, "ok", f"{listed}, providers compiled in: {providers}")


def openvino(version: str | None, importer: Importer) -> Finding:
    name, install = "OpenVINO", "pip install 'stc-trt[openvino]'"
    if version is None:
        return Finding(name, "missing", "not installed; a CPU with bfloat16 or int8 is faster with it", install)
    core = "stc.runtime.machine.openvino"
    imported = importer(core, f"[{core}.devices(), {core}.capabilities()]")
    if imported.error:
        fix = "pip install --force-reinstall openvino"
        return Finding(name, "broken", f"{version}, does not load: {imported.error}", fix)
    devices, computes = imported.value
    return Finding(name, "ok", f"{version}, finds {', '.join(devices)}; the CPU computes {', '.join(computes)}")


# Those with windows and more modules first: where two have overwritten each other, it is the one to keep.
OPENCV_PACKAGES = ("opencv-contrib-python", "opencv-python", "opencv-contrib-python-headless", "opencv-python-headless")


def opencvs() -> dict[Path, tuple[str, ...]]:
    """Every OpenCV that Python could import, first the one that it does: where it lies, and the packages that wrote
    there; none for a system's or JetPack's.
    """
    places: dict[Path, list[str]] = {}
    for entry in map(Path, sys.path):
        for found in sorted(entry.glob("cv2*")):
            if found.suffix in (".so", ".pyd") or (found.name == "cv2" and found.is_dir()):
                places.setdefault(found.resolve(), [])
    for distribution in distributions():
        owned = {Path(str(distribution.locate_file(file.parts[0]))) for file in distribution.files or () if file.parts}
        for place in {path.resolve() for path in owned if path.name.partition(".")[0] == "cv2"}:
            if (name := distribution.metadata["Name"]) not in places.setdefault(place, []):
                places[place].append(name)
    return {place: tuple(sorted(packages)) for place, packages in places.items()}


def opencv(places: dict[Path, tuple[str, ...]], importer: Importer) -> Finding:
    """`places` is what `opencvs` finds."""
    name = "OpenCV"
    if not places:
        needed = "not installed; training needs it, and so does running without the native library"
        return Finding(name, "missing", needed, "pip install opencv-python-headless")
    (place, packages), *hidden = places.items()
    if len(packages) > 1:
        keep = next((package for package in OPENCV_PACKAGES if package in packages), packages[0])
        fix = f"pip uninstall -y {' '.join(packages)} && pip install {keep}"
        return Finding(name, "broken", f"{' and '.join(packages)} overwrite each other", fix)
    origin = packages[0] if packages else str(place)
    imported = importer("cv2", "cv2.__version__")
    if imported.error:
        fix = f"pip install --force-reinstall --no-deps {origin}" if packages else f"reinstall what brought {place}"
        if "cannot open shared object file" in imported.error and packages:
            fix = f"install the library, or: pip uninstall -y {origin} && pip install opencv-python-headless"
        return Finding(name, "broken", f"{origin} does not import: {imported.error}", fix)
    detail = f"{imported.value} ({origin})"
    if not hidden:
        return Finding(name, "ok", detail)
    return Finding(
        name,
        "ok",
        f"{detail}, which hides {', '.join(str(other) for other, _ in hidden)}",
        f"to use the hidden one: pip uninstall -y {origin}" if packages else None,
    )


def gstreamer(importer: Importer) -> Finding:
    """Whether pipelines find our elements, with the variables as they are set now."""
    name, module = "GStreamer", "stc.runtime.gstreamer.gst"
    found = ", ".join(f"bool({module}.Gst.ElementFactory.find({element!r}))" for element in ("stctrack", "stcoverlay"))
    imported = importer(module, f"[{module}.Gst.version_string(), {found}]")
    if imported.error:
        detail, _, fix = imported.error.partition("MissingDependencyError: ")[2].partition("; fix: ")
        return Finding(name, "missing", detail or imported.error, fix or "docs/gstreamer.md says what it needs")
    version, *there = imported.value
    if not all(there):
        # A loader that once failed is left out until the registry of plugins is made anew.
        fix = "rm -rf ~/.cache/gstreamer-1.0; export GST_PLUGIN_PATH=$(python -m stc.runtime.gstreamer)"
        return Finding(name, "missing", f"{version} does not find stctrack and stcoverlay", fix)
    return Finding(name, "ok", f"{version} finds stctrack and stcoverlay")


def package(name: str, module: str, expression: str, fix: str, importer: Importer) -> Finding:
    imported = importer(module, expression)
    if imported.error:
        status: Status = "missing" if "No module named" in imported.error else "broken"
        return Finding(name, status, imported.error, fix)
    return Finding(name, "ok", str(imported.value))


def parser() -> Parser:
    p = Parser(
        prog="stc-doctor",
        description="Check what this machine can run, and how to mend what it cannot.",
        examples=("stc-doctor", "stc-doctor --json > machine.json"),
        codes={0: "something here runs models", 2: "nothing does"},
    )
    p.add_argument("--json", action="store_true", help="print the findings as JSON")
    return p


def main(argv: Sequence[str]) -> int:
    arguments = parser().parse_args(argv)

    report = examine()
    if arguments.json:
        print(json.dumps(asdict(report), indent=1))
    else:
        width = max(len(finding.name) for finding in report.findings)
        for finding in report.findings:
            print(f"{finding.status:8}{finding.name:{width}}  {finding.detail}")
            if finding.fix:
                print(f"{'':8}{'':{width}}  fix: {finding.fix}")
        print(f"verdict: {report.verdict}")
    return 0 if report.engines else 2


entry = command(main)
