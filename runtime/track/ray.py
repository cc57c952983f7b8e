"""The jobs of a fleet on a Ray cluster: one task per video, done again when its worker dies."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from stc.errors import FatalError, InputError, MissingDependencyError
from stc.runtime.track import fleet
from stc.runtime.track.fleet import Job, Outcome

RETRIES = 3  # of a video whose worker was killed, or whose disk failed
REACHING = 5.0  # seconds for a connection to the cluster
CANCELLING = 10.0  # seconds that workers get to stop after Ctrl-C


def run_all(jobs: Sequence[Job], address: str, finished: Callable[[Job, Outcome], object]) -> None:
    """Run `jobs` on the cluster at `address`, and tell `finished` of each as it ends.

    address: HOST:PORT of the head, ray://HOST:PORT of its client server, or "local" to start a cluster for this call.

    A task takes as many CPUs as its settings have threads, and a GPU where an engine runs. After Ctrl-C the tasks are
    cancelled and KeyboardInterrupt is raised. Raises MissingDependencyError without ray, InputError where no cluster
    answers.
    """
    ray = _ray()
    with _connected(ray, address):
        check_room(ray, jobs, address)
        pending = {_task(ray, job).remote(job): job for job in jobs}
        try:
            while pending:
                (reference,), _ = ray.wait(list(pending), num_returns=1)
                job = pending.pop(reference)
                finished(job, _outcome(ray, reference))
        except KeyboardInterrupt:
            ended, running = ray.wait(list(pending), num_returns=len(pending), timeout=0) if pending else ([], [])
            for reference in ended:  # while the command was busy with another
                finished(pending[reference], _outcome(ray, reference))
            for reference in running:
                ray.cancel(reference, recursive=False)
            if running:
                ray.wait(running, num_returns=len(running), timeout=CANCELLING)
            raise


def check_room(ray: Any, jobs: Sequence[Job], address: str) -> None:
    """Raise InputError for a task that fits on no machine of the cluster: Ray would wait for one, for ever."""
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    for cpus, gpus in {(job.settings.threads, job.settings.gpus) for job in jobs}:
        if not any(has.get("CPU", 0) >= cpus and has.get("GPU", 0) >= gpus for has in machines):
            asked = f"{cpus} CPUs and a GPU" if gpus else f"{cpus} CPUs"
            raise InputError(
                f"--ray {address}: no machine of the cluster has {asked}, which a video takes; lower --threads, or "
                "give the model.onnx where there is no GPU"
            )


def _task(ray: Any, job: Job) -> Any:
    return ray.remote(work).options(
        name="stc-track",
        num_cpus=job.settings.threads,
        num_gpus=job.settings.gpus,
        max_retries=RETRIES,
        retry_exceptions=[OSError],
    )


def work(job: Job) -> Outcome:
    """What a worker does. One whose CUDA is broken ends, so that Ray does the video again in a new process."""
    try:
        return fleet.run(job)
    except FatalError as error:
        print(f"{job.video}: {error}", file=sys.stderr, flush=True)  # noqa: T201  (into the worker's log)
        os._exit(error.exit_code)


def _outcome(ray: Any, reference: Any) -> Outcome:
    try:
        outcome: Outcome = ray.get(reference)
        return outcome
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, OSError):
            return Outcome("failed", reason=f"{error.cause} (tried {RETRIES + 1} times)")
        raise  # a bug
    except ray.exceptions.RayError as error:  # the worker was killed, by the kernel for memory or by hand
        reason = " ".join(str(error).split())[:200]
        return Outcome("failed", reason=f"its worker died {RETRIES + 1} times ({reason})")


@contextmanager
def _connected(ray: Any, address: str) -> Iterator[None]:
    options: dict[str, Any] = {}
    if address == "local":
        options["include_dashboard"] = False
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers of a cluster that we started
    stop = signal.getsignal(signal.SIGTERM)
    try:
        if address != "local":
            _reach(address)
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False, **options)
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(
            f"--ray {address}: no Ray cluster answers ({' '.join(str(error).split())[:200]}); start one with: "
            "ray start --head, and give its HOST:PORT, or give: local"
        ) from error
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, stop)  # Ray puts its own in the place of the command's
    try:
        yield
    finally:
        ray.shutdown()


def _reach(address: str) -> None:
    """Raise OSError or ValueError where nobody listens: Ray itself tries for minutes, and prints."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError("not HOST:PORT, ray://HOST:PORT or local")
    socket.create_connection((host, int(port)), REACHING).close()


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise MissingDependencyError(f"ray is not installed ({error}); fix: pip install 'stc-trt[ray]'") from error
    return ray
