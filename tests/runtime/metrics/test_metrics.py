"""`stc-track --metrics`: read over HTTP while a real model runs, by the client library of Prometheus."""

from __future__ import annotations

import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stc.cli import run
from stc.errors import InputError
from stc.runtime.metrics.endpoint import metrics_page
from stc.runtime.metrics.exposition import Family, Sample, render
from stc.runtime.metrics.histogram import BOUNDS, Histogram
from stc.runtime.publishing.publisher import Publisher
from stc.runtime.track import main as command
from stc.runtime.track.many import Run
from stc.runtime.track.metrics import of_inputs, of_publisher
from stc.runtime.track.one import Summary
from stc.runtime.track.outputs import Outputs
from stc.runtime.tracking.tracker import TrackEvent
from stc.runtime.video import Frame
from tests.runtime.track.track_cli import give_source
from tests.runtime.video.clips import make_frame, make_result

prometheus = pytest.importorskip("prometheus_client.parser", reason="pip install prometheus_client")

Page = dict[str, float]


def parsed(text: str) -> Page:
    """Samples by name and sorted labels."""
    samples = [s for family in prometheus.text_string_to_metric_families(text) for s in family.samples]
    found = {f"{s.name}{sorted(s.labels.items())}": s.value for s in samples}
    assert len(found) == len(samples), "no sample is given twice"
    return found


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        return answer.read().decode()


def test_a_run_is_seen_while_it_runs_and_the_page_ends_with_it(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pages, urls = [], []

    def frames() -> Iterator[Frame]:
        for index in range(4):
            if index == 3:  # three frames are asked for, so two at least are written
                urls.append(capsys.readouterr().err.split("metrics: ")[1].split()[0])
                pages.append(parsed(read(urls[0])))
            yield make_frame(index)

    # Not read ahead: what is seen does not depend on threads.
    give_source(monkeypatch, frames, length=None, live=True, name="rtsp://***@cam/live")
    lines = tmp_path / "out.jsonl"
    arguments = ["clip.mp4", "--model", str(bundle), "--jsonl", str(lines), "--metrics", "0", "--device", "cpu"]
    assert run(command.main, arguments) == 0
    assert len(lines.read_text().splitlines()) == 4
    (page,) = pages
    mine = [("input", "1"), ("source", "rtsp://***@cam/live")]
    assert page[f"stc_frames_total{mine}"] == 3
    assert 0 <= page[f"stc_since_last_frame_seconds{mine}"] < 60
    for name in ("frames_dropped_total", "gaps_total", "reconnects_total", "tracks_begun_total", "tracks_live"):
        assert f"stc_{name}{mine}" in page
    engine = [*mine, ("stage", "engine")]
    assert page[f"stc_stage_seconds_count{engine}"] == 3
    assert page[f"stc_stage_seconds_bucket{sorted([*engine, ('le', '+Inf')])}"] == 3
    assert page[f"stc_stage_seconds_sum{engine}"] > 0
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(urls[0], timeout=10)


def test_tracks_are_counted_as_they_begin_and_end_and_inputs_are_told_apart() -> None:
    summary = Summary()
    plain = make_result(np.zeros((0, 8, 8), bool), [], [])
    for kinds in (("born", "born", "lost"), ("ended", "born"), ("recovered",)):
        summary.add(replace(plain, events=tuple(TrackEvent(kind, 1, 1, 0.0) for kind in kinds)), {})
    same = 'rtsp://***@cam/?***"\\\n'
    page = parsed(render(of_inputs([Run("", same, True, Outputs(), summary), Run("", same, True, Outputs())])))
    for number, begun, live in (("1", 3, 2), ("2", 0, 0)):
        labels = [("input", number), ("source", same)]
        assert (page[f"stc_tracks_begun_total{labels}"], page[f"stc_tracks_live{labels}"]) == (begun, live)


def test_a_broker_is_told_of_without_its_password() -> None:
    class Takes:
        def deliver(self, messages: Sequence[bytes]) -> None: ...

        def close(self) -> None: ...

    publisher = Publisher(Takes, "mqtt://***@h/t")
    for message in ("a", "b"):
        publisher.send(message)
    publisher.close(30)
    page = parsed(render(of_publisher(publisher)))
    label = [("broker", "mqtt://***@h/t")]
    counts = {"delivered_total": 2, "dropped_total": 0, "waiting": 0}
    assert page == {f"stc_messages_{name}{label}": value for name, value in counts.items()}
    assert of_publisher(None) == []


def test_many_workers_have_no_page(capsys: pytest.CaptureFixture[str]) -> None:
    for option in (("--metrics", "0"), ("--publish", "mqtt://h/t"), ("--serve", "0"), ("--show",)):
        assert run(command.main, ["a.mp4", "--model", "m", "-o", "out", "--ray", "local", *option]) == 1
        assert "leave out --ray" in capsys.readouterr().err


def test_a_histogram_counts_what_took_at_most_each_bound() -> None:
    times = Histogram()
    taken = [0.0, *BOUNDS, 0.0011, 100.0]
    for seconds in taken:
        times.add(seconds)
    counts, total = times.snapshot()
    assert counts == (*(sum(t <= bound for t in taken) for bound in BOUNDS), len(taken))
    assert total == pytest.approx(sum(taken))


def test_a_name_that_is_no_utf8_can_be_sent() -> None:
    page = render([Family("stc_x", "gauge", "a\nb", (Sample(1.5, {"source": "\udcff.mp4"}),))])
    assert parsed(page) == {"stc_x[('source', '?.mp4')]": 1.5} and page.encode()


def test_only_the_page_is_given_and_a_silent_client_keeps_nobody() -> None:
    with metrics_page("0", lambda: "x 1\n") as url:
        host, port = url.split("/")[2].split(":")
        assert host == "127.0.0.1"
        silent = socket.create_connection((host, int(port)))
        assert read(url) == "x 1\n"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://{host}:{port}/secret", timeout=10)
    silent.close()
    assert not [t for t in threading.enumerate() if t.name == "stc metrics" and t.is_alive()]


def test_a_wrong_address_is_said() -> None:
    with pytest.raises(InputError, match="--metrics host: not a port"), metrics_page("host", str):
        pass
