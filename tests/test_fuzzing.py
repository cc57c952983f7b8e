"""Mutated inputs of every kind end in a result or a typed error, within bounds of time and memory.

`STC_FUZZ=12000 python -m pytest tests/test_fuzzing.py` is the long run: that many cases of each kind.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from tests import fuzzing
from tests.mutations import damaged, odd_json


@pytest.mark.slow
@pytest.mark.parametrize("kind", fuzzing.kinds())
def test_mutated_inputs_end_in_a_result_or_a_typed_error(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    outcome = fuzzing.run(fuzzing.kinds()[kind])
    with capsys.disabled():
        sys.stdout.write(f"\n{outcome}\n")
    assert not outcome.failures, "\n".join(outcome.failures[:20])
    # The mutations leave enough alone that what is behind the first check is reached too.
    assert outcome.counts["accepted"] and outcome.counts["refused"]


PLANTED = """
import os, signal, time
from stc.errors import InputError
SECONDS = 2.0
def cases(folder):
    numbers = iter(range(100))
    def case(r):
        match r.random() * 0 + next(numbers):
            case 0: return
            case 1: raise InputError("refused")
            case 2: raise KeyError("no typed error")
            case 3: print("not an answer")
            case 4: raise InputError("x" * 30_000)
            case 5:
                try: bytearray(1 << 45)
                except MemoryError as error: raise InputError("hidden") from error
            case 6: FAULT
    return case
"""


@pytest.mark.parametrize(("fault", "word"), [("time.sleep(60)", "hangs"), ("os.abort()", "crashes")])
def test_every_fault_is_counted_and_the_cases_behind_it_run(tmp_path: Path, fault: str, word: str) -> None:
    planted = tmp_path / "fuzz_planted.py"
    planted.write_text(PLANTED.replace("FAULT", fault))
    outcome = fuzzing.run(planted, cases=9)
    assert outcome.counts == {"accepted": 3, "refused": 2, "tracebacks": 3, word: 1}
    # The child that goes on after case 6 counts from 0 again: an accepted and a refused one.
    assert str(outcome).startswith("planted: 9 cases, 2 refused, 3 accepted, 3 tracebacks, ")
    assert len(outcome.failures) == 4 and f"case 6: {word}" in outcome.failures[3]


def test_mutations_are_the_same_every_time_and_leave_the_original_alone() -> None:
    value = {"a": [1, 2, {"b": "text"}], "c": 0.5}
    kept = repr(value)
    changed = [repr(odd_json(random.Random(f"{index}"), value)) for index in range(300)]
    assert changed == [repr(odd_json(random.Random(f"{index}"), value)) for index in range(300)]
    assert repr(value) == kept and len(set(changed)) > 100
    content = bytes(range(200))
    cut = [damaged(random.Random(f"{index}"), content) for index in range(300)]
    assert cut == [damaged(random.Random(f"{index}"), content) for index in range(300)] and len(set(cut)) > 250
