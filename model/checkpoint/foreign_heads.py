"""A tracking head under names that no layout has: which entries look like one, and the key map that would read them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

WORDS = re.compile(r"track|re_?id|embed|_emb|emb_|assoc|ident|contrast|appear|metric", re.IGNORECASE)
STATISTICS = ("running_mean", "running_var")

Shape = Sequence[int]


def suggested_map(unexpected: Iterable[str], shapes: Mapping[str, Shape]) -> list[str]:
    """Lines of a key map for the entries of `unexpected` that look like a tracking head; [] when none do.

    shapes: of all entries of the file, by its names. A head is a chain of convolutions with names that speak of it; the
    last one predicts, the others are the tower, each followed by its norm. What has no place in our head stands in a
    comment.
    """
    modules: dict[str, dict[str, Shape]] = {}
    for name in unexpected:
        module, _, part = name.rpartition(".")
        if WORDS.search(module) and part != "num_batches_tracked":
            modules.setdefault(module, {})[part] = shapes[name]
    convs = [module for module, parts in modules.items() if len(parts.get("weight", ())) == 4]
    if not convs:
        return []
    lines = []
    seen = 0  # convolutions so far
    for module, parts in modules.items():
        if module in convs:
            seen += 1
            ours = "head.track_pred" if module == convs[-1] else f"head.track_tower.convs.{seen - 1}"
        elif len(parts.get("weight", ())) == 1 and seen:
            ours = "head.track_norm" if seen == len(convs) else f"head.track_tower.norms.{seen - 1}"
            if any(part in parts for part in STATISTICS) != (ours == "head.track_norm"):
                lines.append(f"# {module}: another kind of norm than ours there (batch norm after the last layer only)")
                continue
        else:
            lines.append(f"{re.escape(module)}\\..*  -  # no convolution, no norm: a classifier of the training?")
            continue
        lines.append(f"{re.escape(module)}\\.({'|'.join(parts)})  {ours}.\\1")
    return lines
