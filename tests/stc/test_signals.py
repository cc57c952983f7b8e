"""Every way to ask a command to end is the same wish, and the second time is an order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest

from stc.signals import ENDING, Hold, asked, check, finished_first, handled


def test_the_first_signal_asks_and_the_second_interrupts() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Hold() as hold:
        assert not hold.asked
        os.kill(os.getpid(), signal.SIGINT)
        assert hold.asked
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_short_piece_of_work_is_done_whole() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), finished_first():
        os.kill(os.getpid(), signal.SIGINT)
        done.append("all of it")
    assert done == ["all of it"]


def test_a_thread_holds_nothing_and_sees_that_the_command_was_asked() -> None:
    seen = []

    def work() -> None:
        with Hold() as hold:
            seen.extend([hold.asked, asked()])

    with handled():
        with Hold():
            os.kill(os.getpid(), signal.SIGINT)
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
    assert seen == [False, True]


def test_a_signal_that_a_library_swallowed_counts_at_the_next_step() -> None:
    check()
    with handled():
        with suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            check()
    check()


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in ENDING]
    with handled():
        assert all(signal.getsignal(number) is not old for number, old in zip(ENDING, before, strict=True))
    assert [signal.getsignal(number) for number in ENDING] == before


WAIT = """
import sys, time
from stc.cli import run
def main(argv):
    try:
        print("ready", flush=True)
        time.sleep(60)
    finally:
        print("tidied up", flush=True)
        time.sleep(float(argv[0]))
    return 0
sys.exit(run(main, sys.argv[1:]))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_signal_ends_a_command_tidily_and_with_the_same_exit_code(number: int) -> None:
    with subprocess.Popen([sys.executable, "-c", WAIT, "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        out, told = process.communicate(timeout=20)
    assert (process.returncode, out, told) == (130, b"tidied up\n", b"interrupted\n")


def test_the_second_signal_does_not_wait_for_the_tidying_up() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WAIT, "60"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.terminate()
        assert process.stdout.readline() == b"tidied up\n"
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 130


def test_what_the_caller_ignores_stays_ignored() -> None:
    """`nohup`, and a background job of a shell, which Ctrl-C in the terminal must not end."""
    command = f"trap '' HUP INT; exec {sys.executable} -c \"$1\" 0"
    with subprocess.Popen(["sh", "-c", command, "sh", WAIT], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert process.poll() is None
        process.terminate()
        process.communicate(timeout=20)
    assert process.returncode == 130
