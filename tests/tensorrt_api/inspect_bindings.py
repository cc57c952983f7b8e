"""Run with one version of the bindings on the path: compares the uses on stdin with it, prints the differences.

Input: {"module": …, "uses": [{owners, name, positional, keywords, where}]}. Output: {"version", "missing", "wrong"},
`missing` names what does not exist, `wrong` calls that no signature accepts.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from typing import Any


def find(module: Any, owner: str, name: str) -> Any:
    """The attribute, or None; a class that the version lacks has no attributes."""
    found = module
    for part in [*owner.split("."), *name.split(".")]:
        if part:
            found = getattr(found, part, None)
        if found is None:
            return None
    return found


def signatures(attribute: Any) -> list[str]:
    """Parameter lists of a pybind11 function or constructor, from its documentation; none for anything else."""
    text = (attribute.__init__ if isinstance(attribute, type) else attribute).__doc__ or ""
    name = "__init__" if isinstance(attribute, type) else getattr(attribute, "__name__", "")
    return re.findall(rf"^(?:\d+\. )?{re.escape(name)}\((.*)\) -> ", text, re.MULTILINE)


def parameters(signature: str) -> list[str]:
    """Split at the commas outside brackets; without `self`."""
    parts, depth, start = [], 0, 0
    for index, character in enumerate(signature):
        depth += (character in "([{<") - (character in ")]}>" and signature[index - 1] != "-")
        if character == "," and depth == 0:
            parts.append(signature[start:index].strip())
            start = index + 1
    parts.append(signature[start:].strip())
    return [part for part in parts if part and not part.startswith(("self:", "*"))]


def accepts(signature: str, positional: int, keywords: list[str]) -> bool:
    known = parameters(signature)
    names = [part.split(":")[0].split("=")[0].strip() for part in known]
    required = [name for name, part in zip(names, known, strict=True) if "=" not in part.rpartition("]")[2]]
    given = {*names[:positional], *keywords}
    return positional <= len(names) and set(keywords) <= set(names[positional:]) and set(required) <= given


def main() -> None:
    asked = json.load(sys.stdin)
    module = importlib.import_module(asked["module"])
    missing, wrong = [], []
    for use in asked["uses"]:
        found = [attribute for owner in use["owners"] if (attribute := find(module, owner, use["name"])) is not None]
        label = f"{'|'.join(use['owners'])}.{use['name']}".lstrip(".")
        if not found:
            missing.append([label, use["where"]])
            continue
        if use["positional"] is None or not callable(found[0]):
            continue
        known = [signature for attribute in found for signature in signatures(attribute)]
        if known and not any(accepts(signature, use["positional"], use["keywords"]) for signature in known):
            wrong.append([label, use["where"], known])
    json.dump({"version": module.__version__, "missing": missing, "wrong": wrong}, sys.stdout)


if __name__ == "__main__":
    main()
