"""The names of the tracking rules, for who shows them without loading NumPy."""

from __future__ import annotations

from typing import Literal, get_args

RuleName = Literal["default", "crossvis", "masktrack", "qdtrack", "idol"]
RULE_NAMES: tuple[RuleName, ...] = get_args(RuleName)
