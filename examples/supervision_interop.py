"""Draw, filter and count with supervision: `python supervision_interop.py MODEL VIDEO OUT.png`.

pip install 'stc-trt[supervision]'
"""

import sys
from collections import Counter

import cv2
import supervision as sv

from stc.runtime import Session
from stc.runtime.video import open_source


def main(model: str, video: str, out: str) -> None:
    draw_masks, draw_labels = sv.MaskAnnotator(), sv.LabelAnnotator()
    frames_of = Counter()
    with Session(model) as session, open_source(video) as source:
        stream = session.stream(source.name, source.fps)
        for frame in source:
            detections = stream(frame.image, frame.time).to_supervision()
            detections = detections[detections.tracker_id >= 0]  # confirmed tracks only
            frames_of.update(zip(detections.data["class_name"].tolist(), detections.tracker_id.tolist(), strict=True))
            picture = draw_masks.annotate(frame.image.copy(), detections)
            labels = [f"{n} {i}" for n, i in zip(detections["class_name"], detections.tracker_id, strict=True)]
            picture = draw_labels.annotate(picture, detections, labels)
    cv2.imwrite(out, picture)  # the last frame
    for (name, track_id), frames in sorted(frames_of.items()):
        print(f"{name} {track_id}: in {frames} frames")


if __name__ == "__main__":
    main(*sys.argv[1:])
