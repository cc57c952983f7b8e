"""Contenders take turns, so that a machine that changes its clock changes it for all of them alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import perf_counter
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


def order(contenders: Sequence[T], number: int) -> Sequence[T]:
    """Of round `number`: forwards, then backwards, so that nobody always follows the same one."""
    return contenders if number % 2 == 0 else contenders[::-1]


def seconds(call: Callable[[], object], clock: Callable[[], float] = perf_counter) -> float:
    start = clock()
    call()
    return clock() - start


def in_turns(
    calls: Mapping[T, Callable[[int], object]],
    rounds: int,
    warm_up: int,
    progress: Callable[[], object] = lambda: None,
) -> dict[T, NDArray[Any]]:
    """Seconds of every call, float64 (rounds,) each. A call gets the number of its round; those of the `warm_up` rounds
    are negative, and not among the samples. progress: told of every round, warm-up included."""
    samples: dict[T, list[float]] = {key: [] for key in calls}
    for number in range(-warm_up, rounds):
        for key in order(list(calls), number):
            taken = seconds(partial(calls[key], number))
            if number >= 0:
                samples[key].append(taken)
        progress()
    return {key: np.array(values) for key, values in samples.items()}
