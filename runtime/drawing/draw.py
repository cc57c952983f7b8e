"""Tracked masks drawn onto a frame: a tint, an outline and a label per object in the colour of its track; and zones."""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

import numpy as np
import numpy.typing as npt

from stc.annotations.masks import tight_box
from stc.runtime.drawing import strokes
from stc.runtime.drawing.strokes import Colour, Image
from stc.runtime.drawing.style import Style
from stc.runtime.drawing.trails import Point
from stc.runtime.zones.count import ZoneReport

GOLDEN_RATIO = 0.618033988749895
# Of the same hue ring, neighbours in hue differ in depth too: (lightness, saturation) by track id modulo 3.
SHADES = ((0.55, 0.90), (0.70, 0.85), (0.42, 0.80))

ZONE = (255, 255, 255)  # the colour of zones, which no track has
FAR = 1 << 14  # pixels: beyond that no frame reaches
LETTERS = 30  # pixels of a font at scale 1
NO_PATHS: Mapping[int, Sequence[Point]] = MappingProxyType({})

Rectangle = tuple[int, int, int, int]  # x0, y0, x1, y1


class Pixels(Protocol):
    """What is drawn of `Masks`."""

    def __getitem__(self, index: npt.NDArray[np.intp]) -> Pixels: ...

    def dense(self) -> npt.NDArray[np.bool_]: ...


class Drawable(Protocol):
    """What is drawn of a `Result`."""

    @property
    def boxes(self) -> npt.NDArray[np.float32]: ...

    @property
    def scores(self) -> npt.NDArray[np.float32]: ...

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def track_ids(self) -> npt.NDArray[np.int64]: ...

    @property
    def masks(self) -> Pixels: ...

    @property
    def zones(self) -> tuple[ZoneReport, ...]: ...


def annotate(
    image: Image,
    result: Drawable,
    style: Style = Style(),  # noqa: B008  (frozen)
    paths: Mapping[int, Sequence[Point]] = NO_PATHS,
) -> Image:
    """A copy of `image` uint8 (H, W, 3) BGR with the confirmed objects of `result` drawn in; others are left out.

    Large objects come first, so that small ones stay visible; paths, labels (`#id class score`), zones and their counts
    lie on top of all. Text is ASCII. paths: of `Trails`, by track id.
    """
    canvas = image.copy()
    shown = np.flatnonzero(result.track_ids >= 0)
    if len(shown) == 0 and not result.zones:
        return canvas
    thickness = style.thickness
    if thickness is None:
        thickness = max(1, round(min(image.shape[:2]) / 360)) + 1
    masks = result.masks[shown].dense()
    colours = [track_colour(int(track_id)) for track_id in result.track_ids[shown]]
    for i in np.argsort(-np.count_nonzero(masks, axis=(1, 2)), kind="stable"):
        _draw_mask(canvas, masks[i], colours[i], style.alpha, thickness)
    for i, colour in zip(shown, colours, strict=True):
        if len(path := paths.get(int(result.track_ids[i]), ())) > 1:
            strokes.path(canvas, path, colour, max(1, thickness))
    taken: list[Rectangle] = []
    for i, colour in zip(shown, colours, strict=True):
        x0, y0, x1, y1 = (round(float(v)) for v in result.boxes[i])
        if style.boxes and thickness:
            _draw_box(canvas, (x0, y0, x1, y1), colour, thickness)
        if not style.labels:
            continue
        text = f"#{result.track_ids[i]} {result.names[i]} {result.scores[i]:.2f}"
        taken.append(_draw_label(canvas, text, (x0, y0, x1, y1), colour, taken))
    for report in result.zones:
        _draw_zone(canvas, report, max(1, thickness), taken)
    return canvas


def track_colour(track_id: int) -> Colour:
    """BGR colour of a track id >= 0. Steps of the golden ratio around the hue circle keep any run of ids well apart."""
    lightness, saturation = SHADES[track_id % len(SHADES)]
    red, green, blue = colorsys.hls_to_rgb((0.6 + track_id * GOLDEN_RATIO) % 1, lightness, saturation)
    return round(blue * 255), round(green * 255), round(red * 255)


def _draw_mask(canvas: Image, mask: npt.NDArray[np.bool_], colour: Colour, alpha: float, thickness: int) -> None:
    if not mask.any():
        return
    left, top, right, bottom = tight_box(mask)
    area = slice(top, bottom), slice(left, right)
    strokes.tint(canvas[area], mask[area], colour, alpha)
    if thickness:
        coverage, margin = strokes.outline(mask[area], thickness)
        strokes.lay(canvas, coverage, left - margin, top - margin, colour)


def _draw_box(canvas: Image, box: Rectangle, colour: Colour, thickness: int) -> None:
    """Half of the thickness inside."""
    x0, y0, x1, y1 = box
    out, inside = thickness // 2, thickness - thickness // 2
    for top, bottom, left, right in (
        (y0 - out, y0 + inside, x0 - out, x1 + out),
        (y1 - inside, y1 + out, x0 - out, x1 + out),
        (y0 - out, y1 + out, x0 - out, x0 + inside),
        (y0 - out, y1 + out, x1 - inside, x1 + out),
    ):
        canvas[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = colour


def _draw_zone(canvas: Image, report: ZoneReport, thickness: int, taken: list[Rectangle]) -> None:
    """Its outline, and a chip that says how many came and went: beside a line's middle, at an area's first point."""
    zone = report.zone
    points = np.rint(zone.points).clip(-FAR, FAR).astype(np.int32)
    corners = tuple((int(x), int(y)) for x, y in points)
    strokes.line(canvas, corners, not zone.is_line, ZONE, thickness)
    x, y = (int(v) for v in (points.mean(axis=0) if zone.is_line else points[0]))
    inside = "" if zone.is_line else f", {report.inside} inside"
    text = f"{zone.name}: {report.entered} in, {report.left} out{inside}"
    taken.append(_draw_label(canvas, text.encode("ascii", "replace").decode(), (x, y, x, y), ZONE, taken))


def _draw_label(canvas: Image, text: str, box: Rectangle, colour: Colour, taken: list[Rectangle]) -> Rectangle:
    """Draw a filled chip with `text` beside `box` where no other chip is, and return where it lies."""
    height, width = canvas.shape[:2]
    scale = max(0.4, min(height, width) / 900)
    letters = strokes.text(text, round(LETTERS * scale))
    text_height, text_width = letters.shape
    pad = max(3, round(text_height * 0.2))
    chip_width, chip_height = text_width + 2 * pad, text_height + 2 * pad
    x0, y0, _, y1 = box
    left = int(np.clip(x0, 0, max(0, width - chip_width)))
    lowest = max(0, height - chip_height)
    tops = (int(np.clip(top, 0, lowest)) for top in (y0 - chip_height, y0, y1 - chip_height, y1))
    places = [(left, top, left + chip_width, top + chip_height) for top in tops]
    place = next((p for p in places if not any(_overlap(p, other) for other in taken)), places[0])
    canvas[place[1] : place[3], place[0] : place[2]] = colour
    strokes.lay(canvas, letters, place[0] + pad, place[1] + pad, ink(colour))
    return place


def ink(ground: Colour) -> Colour:
    """Black or white, whichever is read better on `ground` (BGR): a contrast of at least 4.5, by WCAG's formula."""
    blue, green, red = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (value / 255 for value in ground)
    )
    luminance = 0.0722 * blue + 0.7152 * green + 0.2126 * red
    return (0, 0, 0) if (luminance + 0.05) ** 2 > 0.05 * 1.05 else (255, 255, 255)


def _overlap(a: Rectangle, b: Rectangle) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
