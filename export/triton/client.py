"""Track a video with a model that a Triton server runs: masks and ids are computed here.

    pip install 'stc-trt[triton]'
    python stc_client.py grpc://localhost:8001 MODEL VIDEO        # or http://localhost:8000

Never run against a Triton server; tested against local servers of the same protocols.
"""

import sys

from stc.runtime import Session
from stc.runtime.backends.triton import TritonBackend
from stc.runtime.video import open_source


def main(url: str, model: str, video: str) -> None:
    backend = TritonBackend(url, model)
    # The passport comes with the model; from_backend refuses a server whose model is not what it says.
    with Session.from_backend(backend, backend.passport, f"{url}/{model}") as session, open_source(video) as source:
        stream = session.stream(source.name, source.fps)
        for frame in source:
            result = stream(frame.image, frame.time)
            ids = ", ".join(
                f"{result.classes[label]} {track_id}"
                for label, track_id in zip(result.labels, result.track_ids, strict=True)
                if track_id >= 0
            )
            print(f"{frame.time:.3f} s: {ids or 'nothing'}")  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
