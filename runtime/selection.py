"""Which of a model's detections somebody wants: by score and by class, checked against its passport."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from stc.errors import InputError
from stc.runtime.bundle.passport import Passport


def threshold(passport: Passport, asked: float | None) -> float:
    if asked is None:
        return 0.0  # the graph has applied its own
    baked = passport.score_threshold
    # Four decimals, as the message shows it: typing the printed value back must work.
    if not math.isfinite(asked) or asked > 1 or round(asked, 4) < round(baked, 4):
        raise InputError(
            f"score threshold {asked:g}: must be from {baked:.4f}, which is baked into the model, to 1; "
            "for a lower one re-export with: stc-export --ckpt FILE"
        )
    return asked


def wanted(passport: Passport, classes: Iterable[str] | None) -> NDArray[np.bool_]:
    if classes is None:
        return np.ones(len(passport.classes), np.bool_)
    names = {classes} if isinstance(classes, str) else set(classes)
    if unknown := sorted(names - set(passport.classes)):
        raise InputError(f"unknown classes {', '.join(unknown)}; this model knows {', '.join(passport.classes)}")
    return np.array([name in names for name in passport.classes], np.bool_)
