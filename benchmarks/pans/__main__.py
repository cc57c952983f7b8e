"""`python -m stc.benchmarks.pans`: clips of a window that moves over annotated pictures, as a YouTube-VIS folder.

Nothing in them moves by itself, but all is as it was photographed: streets, crowds, small and half hidden objects.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stc.annotations.masks import box, decode, encode
from stc.annotations.videos import Video, VideoAnnotations
from stc.cli import Parser, command
from stc.errors import InputError
from stc.files import write_text
from stc.folders import Folder, find

if TYPE_CHECKING:
    from stc.benchmarks.evaluation.frames import Frames

ANNOTATIONS = "annotations.json"
FPS = 30.0
SHARE = 0.75  # of the picture's sides, that a frame shows
ZOOM = 0.1  # of a window's size at either end, as a logarithm
CLOSE = (0.5, 0.9)  # a close-up's sides over those of the object
LEAST = 32.0  # pixels of a window's height


@dataclass(frozen=True)
class Window:
    """A rectangle in a picture: its centre and its size, pixels."""

    x: float
    y: float
    width: float
    height: float

    def matrix(self, size: tuple[int, int]) -> NDArray[np.float64]:
        """From the picture to a frame of `size` (H, W), (2, 3) as OpenCV has it."""
        across, down = size[1] / self.width, size[0] / self.height
        return np.array([[across, 0, size[1] / 2 - across * self.x], [0, down, size[0] / 2 - down * self.y]])


Ends = Callable[[np.random.Generator, Video], tuple[Window, Window]]


def anywhere(rng: np.random.Generator, video: Video) -> tuple[Window, Window]:
    """From one place to another."""
    (height, width), (a, b) = video.size, rng.uniform(0, 1, (2, 2))
    return (
        Window(a[0] * width, a[1] * height, SHARE * width, SHARE * height),
        Window(b[0] * width, b[1] * height, SHARE * width, SHARE * height),
    )


def closeup(rng: np.random.Generator, video: Video) -> tuple[Window, Window]:
    """On a part of the largest object, which is larger than the window."""
    rle = max((track for track in video.tracks if not track.crowd), key=lambda track: track.area).masks[0]
    assert rle is not None  # what is annotated in a picture is seen in it
    x, y, w, h = box(rle)
    shape = video.size[1] / video.size[0]
    height = max(LEAST, float(rng.uniform(*CLOSE)) * min(max(h, w / shape), video.size[0]))
    a, b = rng.uniform(0.35, 0.65, (2, 2))
    return (
        Window(x + a[0] * w, y + a[1] * h, shape * height, height),
        Window(x + b[0] * w, y + b[1] * h, shape * height, height),
    )


def way(rng: np.random.Generator, video: Video, ends: Ends, length: int) -> list[Window]:
    """`length` windows inside the picture, from one end to the other."""
    stops = []
    for window in ends(rng, video):
        zoom = float(np.exp(rng.uniform(-ZOOM, ZOOM)))
        height, width = (
            min(zoom * side, most) for side, most in zip((window.height, window.width), video.size, strict=True)
        )
        y, x = (
            float(np.clip(centre, side / 2, most - side / 2))
            for centre, side, most in zip((window.y, window.x), (height, width), video.size, strict=True)
        )
        stops.append(np.array([x, y, width, height]))
    return [Window(*(stops[0] + (stops[1] - stops[0]) * t).tolist()) for t in np.linspace(0, 1, length)]


def render(
    picture: NDArray[np.uint8], masks: NDArray[np.uint8], windows: Sequence[Window], size: tuple[int, int]
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.bool_]]]:
    """Each frame (*size, 3) and what it shows of the masks (n, H, W): bool (n, *size)."""
    import cv2

    for window in windows:
        matrix, (height, width) = window.matrix(size), size
        frame = cv2.warpAffine(
            picture, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        shown = [cv2.warpAffine(mask, matrix, (width, height), flags=cv2.INTER_NEAREST) for mask in masks]
        yield np.asarray(frame, np.uint8), np.array(shown, np.bool_).reshape(len(masks), height, width)


def make(
    output: Path,
    annotations: VideoAnnotations,
    frames: dict[int, Frames],
    ends: Ends,
    clips: int,
    length: int,
    seed: int,
) -> int:
    """Fill `output` with clips of different pictures; equal seeds make equal ones. Returns how many objects they show.

    Raises InputError where too few pictures have an object.
    """
    from stc.progress import bar

    usable = [v for v in annotations.videos if v.picture and any(not track.crowd for track in v.tracks)]
    if len(usable) < clips:
        raise InputError(
            f"{len(usable)} pictures have an object, and {clips} clips are asked for: give --clips {len(usable)}"
        )
    chosen = np.random.default_rng(seed).permutation(len(usable))[:clips]
    content: dict[str, Any] = {"info": {"seed": seed}, "videos": [], "annotations": []}
    content["categories"] = [{"id": id, "name": name} for id, name in annotations.categories.items()]
    with Folder(output).filled(last=ANNOTATIONS) as folder:
        with bar("composing", clips) as advance:
            for number, index in enumerate(chosen):
                video = usable[int(index)]
                windows = way(np.random.default_rng((seed, number)), video, ends, length)
                _clip(folder, number, video, next(iter(frames[video.id]())).image, windows, content)
                advance()
        write_text(folder / ANNOTATIONS, json.dumps(content))
    return len(content["annotations"])


def _clip(
    folder: Path,
    number: int,
    video: Video,
    picture: NDArray[np.uint8],
    windows: Sequence[Window],
    content: dict[str, Any],
) -> None:
    """The frames under `folder`; the video and the objects that it shows into `content`."""
    import cv2

    from stc.runtime.drawing.encode import JPEG_QUALITY

    name, size = f"clip-{number:03d}", (round(SHARE * video.size[0]), round(SHARE * video.size[1]))
    (folder / name).mkdir(parents=True)
    whole = np.array([decode(rle) for track in video.tracks if (rle := track.masks[0]) is not None], np.uint8)
    files, seen = [], []
    for index, (frame, masks) in enumerate(render(picture, whole, windows, size)):
        encoded = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
        files.append(f"{name}/{index:05d}.jpg")
        (folder / files[-1]).write_bytes(encoded.tobytes())  # cv2.imwrite is silent about a full disk
        seen.append([encode(mask) if mask.any() else None for mask in masks])
    content["videos"].append(
        {
            "id": number + 1,
            "height": size[0],
            "width": size[1],
            "file_names": files,
            "picture": video.name,
            "not_exhaustive_category_ids": sorted(video.incomplete),
        }
    )
    for track, segmentations in zip(video.tracks, zip(*seen, strict=True), strict=True):
        if any(segmentations):
            entry = {"id": len(content["annotations"]) + 1, "video_id": number + 1, "category_id": track.category}
            content["annotations"].append(entry | {"iscrowd": int(track.crowd), "segmentations": list(segmentations)})


def parser() -> Parser:
    p = Parser(
        prog="python -m stc.benchmarks.pans",
        description="Make clips of a window that moves over annotated pictures, to score with: "
        "stc-eval --model M --data OUT/annotations.json --frames OUT",
    )
    p.add_argument("--data", type=Path, required=True, metavar="JSON", help="COCO annotations")
    p.add_argument("--frames", type=Path, required=True, metavar="DIR", help="their pictures")
    p.add_argument("--split", help="only pictures with this value as their `split`")
    p.add_argument("--closeups", action="store_true", help="the largest object fills the window, and more than it")
    p.add_argument("--clips", type=int, default=40, metavar="N", help="default %(default)s, each of another picture")
    p.add_argument("--length", type=int, default=60, metavar="N", help="frames of a clip, 30 a second (%(default)s)")
    p.add_argument("--seed", type=int, default=0, help="equal seeds make equal clips (default 0)")
    p.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="a new folder")
    return p


def main(argv: Sequence[str]) -> int:
    arguments = parser().parse_args(argv)
    if min(arguments.clips, arguments.length) < 1 or arguments.seed < 0:
        raise InputError("--clips and --length must be 1 or more, --seed 0 or more")
    if arguments.output.exists():
        raise InputError(f"{arguments.output} exists; remove it or choose another --output")
    from stc.annotations.file import read_annotations
    from stc.benchmarks.evaluation.frames import find_frames

    output = find(arguments.output, "-o OUT")
    annotations = read_annotations(arguments.data, split=arguments.split)
    frames = find_frames(annotations, arguments.frames, FPS)
    ends = closeup if arguments.closeups else anywhere
    objects = make(output, annotations, frames, ends, arguments.clips, arguments.length, arguments.seed)
    print(f"{arguments.clips} clips of {arguments.length} frames, {objects} objects, in {arguments.output}")
    return 0


entry = command(main)

if __name__ == "__main__":
    entry()
