"""A package index of one wheel on the loopback, that fails as asked before it works."""

from __future__ import annotations

import hashlib
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Literal

NAME, VERSION, FOLDER = "stand-in-headers", "1.0", "kernel_lens/include/tensorrt"
WHEEL = f"{NAME.replace('-', '_')}-{VERSION}-py3-none-any.whl"
HEADERS = {
    "NvInferRuntime.h": "#include <NvInferVersion.h>\n" + "// a header\n" * 5000,
    "NvInferVersion.h": "".join(
        f"#define TRT_{part}_ENTERPRISE {number}\n" for part, number in (("MAJOR", 10), ("MINOR", 14), ("PATCH", 1))
    ),
}
Fault = Literal["503", "404", "drop", "half", "stall"]


@dataclass
class Index:
    """`faults` are taken one by one, by requests of any kind; "half" waits for the wheel and sends half of it."""

    wheel: bytes
    faults: list[Fault] = field(default_factory=list)
    url: str = ""
    requests: int = 0

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.wheel).hexdigest()

    def environment(self) -> dict[str, str]:
        """pip's own variables, for this index and no other."""
        return {"PIP_INDEX_URL": self.url, "PIP_CONFIG_FILE": "/dev/null", "PIP_NO_CACHE_DIR": "1"}


def unreachable() -> dict[str, str]:
    """pip's own variables, for an index that refuses every connection."""
    return {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_CONFIG_FILE": "/dev/null", "PIP_NO_CACHE_DIR": "1"}


def write_wheel(path: Path) -> None:
    info = f"{NAME.replace('-', '_')}-{VERSION}.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in HEADERS.items():
            wheel.writestr(f"{FOLDER}/{name}", text)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {VERSION}\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: stc\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")


@contextmanager
def serve(folder: Path, *faults: Fault) -> Iterator[Index]:
    path = folder / WHEEL
    write_wheel(path)
    index = Index(path.read_bytes(), list(faults))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            index.requests += 1
            is_wheel = self.path.endswith(".whl")
            fault = index.faults.pop(0) if index.faults and (index.faults[0] != "half" or is_wheel) else None
            if fault in ("503", "404"):
                self.send_error(int(fault))
            elif fault == "stall":
                time.sleep(5)
            elif fault != "drop":
                page = f'<a href="/files/{WHEEL}#sha256={index.sha256}">{WHEEL}</a>'.encode()
                body = index.wheel if is_wheel else page
                self.send_response(200)
                self.send_header("Content-Type", "application/zip" if is_wheel else "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if fault == "half" else body)
            self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        index.url = f"http://127.0.0.1:{server.server_address[1]}/simple"
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield index
        finally:
            server.shutdown()
