"""Class names that weight files do not hold: the published lists of COCO, YouTube-VIS and OVIS, or the user's own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from stc.errors import InputError
from stc.texts import read_text

# Contiguous order of the 80 "thing" categories, as detectron2 numbers them.
COCO = (
    "person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign, "
    "parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella, "
    "handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard, "
    "surfboard, tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange, "
    "broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, tv, laptop, "
    "mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, book, clock, vase, scissors, "
    "teddy bear, hair drier, toothbrush"
)
YTVIS2019 = (
    "person, giant_panda, lizard, parrot, skateboard, sedan, ape, dog, snake, monkey, hand, rabbit, duck, cat, cow, "
    "fish, train, horse, turtle, bear, motorbike, giraffe, leopard, fox, deer, owl, surfboard, airplane, truck, zebra, "
    "tiger, elephant, snowboard, boat, shark, mouse, frog, eagle, earless_seal, tennis_racket"
)
YTVIS2021 = (
    "airplane, bear, bird, boat, car, cat, cow, deer, dog, duck, earless_seal, elephant, fish, flying_disc, fox, frog, "
    "giant_panda, giraffe, horse, leopard, lizard, monkey, motorbike, mouse, parrot, person, rabbit, shark, "
    "skateboard, snake, snowboard, squirrel, surfboard, tennis_racket, tiger, train, truck, turtle, whale, zebra"
)
# "Vehical" is how the data set spells it.
OVIS = (
    "Person, Bird, Cat, Dog, Horse, Sheep, Cow, Elephant, Bear, Zebra, Giraffe, Poultry, Giant_panda, Lizard, Parrot, "
    "Monkey, Rabbit, Tiger, Fish, Turtle, Bicycle, Motorcycle, Airplane, Boat, Vehical"
)
PLACEHOLDERS = "placeholders"  # how the words of an assumption begin that names nothing
KNOWN: dict[str, tuple[str, ...]] = {
    "coco": tuple(COCO.split(", ")),
    "ytvis2019": tuple(YTVIS2019.split(", ")),
    "ytvis2021": tuple(YTVIS2021.split(", ")),
    "ovis": tuple(OVIS.split(", ")),
}


def named(classes: str | Path | Sequence[str], count: int, where: str = "classes") -> tuple[str, ...]:
    """The `count` class names that the user asked for: a key of `KNOWN`, a file, or the names themselves.

    A file holds one name per line (blank lines are skipped) or a JSON list of strings. where: what to call the names
    themselves in a message.
    Raises InputError when the file is unreadable, a name is empty or doubled, or the number of names is not `count`.
    """
    if isinstance(classes, Path):
        names = _from_file(classes)
    elif isinstance(classes, str):
        names = KNOWN.get(classes) or _from_file(Path(classes))
    else:
        names = tuple(classes)
    where = f"--classes {classes}" if isinstance(classes, str | Path) else where
    if not all(isinstance(name, str) and name.strip() for name in names):
        raise InputError(f"{where}: every class name must be a text that is not empty; found {list(names)[:5]}")
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise InputError(f"{where}: class names must differ; doubled: {', '.join(doubled[:5])}")
    if len(names) != count:
        fitting = [key for key, known in KNOWN.items() if len(known) == count]
        hint = f"--classes {' or '.join(fitting)}" if fitting else f"--classes FILE with {count} names"
        raise InputError(f"{where}: {len(names)} names, but the checkpoint has {count} classes; use {hint}")
    return names


def assumed(count: int) -> tuple[tuple[str, ...], str]:
    """Class names for `count` classes when nobody said which, and the assumption in words."""
    if count == 80:
        return KNOWN["coco"], "coco, because there are 80 classes"
    if count == 25:
        return KNOWN["ovis"], "ovis, because there are 25 classes"
    placeholders = tuple(f"class_{index}" for index in range(count))
    if count == 40:
        return (
            placeholders,
            f"{PLACEHOLDERS}: 40 classes are those of ytvis2019 or of ytvis2021; say which with --classes",
        )
    return placeholders, f"{PLACEHOLDERS} for {count} classes; name them with --classes FILE"


def _from_file(path: Path) -> tuple[str, ...]:
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise InputError(
            f"--classes {path}: not one of {', '.join(KNOWN)} and not a readable text file ({error})"
        ) from error
    if not text.lstrip().startswith("["):
        return tuple(line.strip() for line in text.splitlines() if line.strip())
    try:
        return tuple(json.loads(text))
    except ValueError as error:
        raise InputError(f"--classes {path}: begins like a JSON list but is none ({error})") from error
