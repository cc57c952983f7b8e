"""A video file, frame by frame: `python file_loop.py MODEL VIDEO`."""

import sys

from stc.runtime import Session
from stc.runtime.video import open_source


def main(model: str, video: str) -> None:
    with Session(model) as session, open_source(video) as source:
        stream = session.stream(source.name, source.fps)
        for frame in source:
            result = stream(frame.image, frame.time)
            for event in result.events:  # born, lost, recovered
                print(f"{frame.time:7.3f} s  {event.kind} track {event.track_id}")
            areas = result.masks.areas()  # pixels of the frame; masks are computed when asked for
            for label, track_id, score, area in zip(result.labels, result.track_ids, result.scores, areas, strict=True):
                if track_id >= 0:  # -1: not confirmed yet
                    name = result.classes[label]
                    print(f"{frame.time:7.3f} s  {name} {track_id}: score {score:.2f}, {area} pixels")


if __name__ == "__main__":
    main(*sys.argv[1:])
