"""Boxes in the MOTChallenge format: `python mot_export.py MODEL VIDEO OUT.txt`.

A line per object and frame, `frame,id,left,top,width,height,score,-1,-1,-1`, frames from 1. A track may get its
id some frames after its first detection; the frames before are joined by its handle, so that none is missing.
"""

import sys
from pathlib import Path

from stc.runtime import Session
from stc.runtime.video import open_source


def main(model: str, video: str, out: str) -> None:
    rows, track_of = [], {}
    with Session(model) as session, open_source(video) as source:
        stream = session.stream(source.name, source.fps)
        for number, frame in enumerate(source, start=1):
            result = stream(frame.image, frame.time)
            for box, score, track_id, handle in zip(
                result.boxes.tolist(), result.scores.tolist(), result.track_ids, result.handles, strict=True
            ):
                if track_id >= 0:
                    track_of[int(handle)] = int(track_id)
                rows.append((number, int(handle), *box, score))
    with Path(out).open("w") as file:
        for number, handle, left, top, right, bottom, score in rows:
            if handle in track_of:
                size = f"{right - left:.2f},{bottom - top:.2f}"
                print(f"{number},{track_of[handle]},{left:.2f},{top:.2f},{size},{score:.4f},-1,-1,-1", file=file)


if __name__ == "__main__":
    main(*sys.argv[1:])
