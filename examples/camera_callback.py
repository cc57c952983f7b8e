"""A camera whose driver calls back: only the newest picture counts. `python camera_callback.py MODEL VIDEO`.

The driver's thread must not wait for the model, so it leaves its picture in a slot of one and goes on; a picture that
nobody took in time is replaced. Here a video, played at its own speed, stands in for the driver.
"""

import queue
import sys
import threading
import time

from stc.runtime import Session
from stc.runtime.video import open_source


class Camera:
    """`on_frame` is what you give to your driver; iterate to get (picture, seconds) until `close`."""

    def __init__(self):
        self.dropped = 0
        self._slot = queue.Queue(maxsize=1)

    def on_frame(self, picture, seconds):  # called by the driver, in its own thread
        try:
            self._slot.get_nowait()
            self.dropped += 1
        except queue.Empty:
            pass
        self._slot.put((picture, seconds))

    def close(self):
        self._slot.put(None)  # waits until the last picture was taken

    def __iter__(self):
        return iter(self._slot.get, None)


def play(video: str, camera: Camera) -> None:
    start = time.monotonic()
    for frame in open_source(video):
        time.sleep(max(0.0, start + frame.time - time.monotonic()))
        camera.on_frame(frame.image, frame.time)
    camera.close()


def main(model: str, video: str) -> None:
    camera = Camera()
    with Session(model) as session:
        stream = session.stream("gate-1")
        threading.Thread(target=play, args=(video, camera), daemon=True).start()
        seen = 0
        for picture, seconds in camera:
            result = stream(picture, seconds)  # with its time: a tracker that knows of the gap ages tracks rightly
            seen += 1
            print(f"{seconds:7.3f} s  tracks {[int(i) for i in result.track_ids if i >= 0]}")
    print(f"{seen} frames tracked, {camera.dropped} dropped")


if __name__ == "__main__":
    main(*sys.argv[1:])
