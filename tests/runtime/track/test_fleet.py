"""Jobs of a fleet: done once, done again when anything that decides the result changed, never half recorded."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import pytest

from stc.errors import FatalError, IncompatibleError, InputError
from stc.files import write_text
from stc.runtime.track import fleet
from stc.runtime.track import ray as ray_fleet
from stc.runtime.track.fleet import Job, Settings
from stc.runtime.track.outputs import Outputs
from tests.runtime import tiny_model
from tests.runtime.backends.engine_bundle import Gpus
from tests.runtime.track.fleet_clips import clip
from tests.runtime.video.clips import encode, steady


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A cat in six frames, to be written as JSON and JSON lines."""
    bundle = tiny_model.write_bundle(tmp_path / "model")
    (made,) = fleet.jobs(
        [str(clip(tmp_path / "cat.mkv", 6))],
        Outputs(None, tmp_path / "out", tmp_path / "out", None),
        Settings(str(bundle), fleet.model_sha256(bundle)),
    )
    return made


def stamps(job: Job) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (*job.outputs.paths, job.record)}


def test_a_job_writes_its_files_and_then_its_record(job: Job) -> None:
    outcome = fleet.run(job)
    assert outcome.state == "done" and outcome.record is not None
    record = json.loads(job.record.read_text())
    assert (record["frames"], record["tracks"]) == (6, 1)
    assert sorted(record["files"]) == [str(path) for path in sorted(job.outputs.paths)]
    (entry,) = json.loads(job.outputs.paths[0].read_text())
    assert len(entry["segmentations"]) == 6


@pytest.mark.parametrize(
    ("model", "device", "gpus"),
    [("b", None, 0), ("b/engine.plan", None, 1), ("b", "cuda", 1), ("b", "cpu", 0), ("b/engine.plan", "cpu", 0)],
)
def test_a_job_asks_for_a_gpu_where_one_runs_its_model(model: str, device: str | None, gpus: int) -> None:
    assert Settings(model, "", device=device).gpus == gpus


def test_a_job_has_the_gpu_that_ray_gives_it_and_no_other() -> None:
    with pytest.raises(InputError, match=r"Ray gives every task a GPU of its own; give: --device cuda$"):
        Settings("b", "", device="cuda:1")


def test_a_job_on_a_gpu_gives_what_it_gives_on_the_cpu(job: Job, engine: Path, gpus: Gpus) -> None:
    settings = replace(job.settings, model=str(engine), device="cuda")
    first, second = fleet.run(job), fleet.run(replace(job, settings=settings))
    assert "cudaGraphLaunch" in gpus.cuda.calls and second.state == "done"  # not resumed: other numbers come of it
    assert first.record is not None and second.record is not None
    assert (second.record.frames, second.record.tracks) == (first.record.frames, first.record.tracks) == (6, 1)


def test_what_is_done_is_not_done_again(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    first = fleet.run(job)
    before = stamps(job)
    monkeypatch.setattr(fleet, "compute", lambda job: pytest.fail("computed again"))
    again = fleet.run(job)
    assert (again.state, again.record) == ("resumed", first.record)
    assert stamps(job) == before


def repaint(job: Job) -> Job:
    clip(Path(job.video), 7)
    return job


def other_model(job: Job) -> Job:
    return replace(job, settings=replace(job.settings, model_sha256="another"))


def other_setting(job: Job) -> Job:
    return replace(job, settings=replace(job.settings, score=0.7))


def touched_output(job: Job) -> Job:
    job.outputs.paths[0].write_text("[]")
    return job


def missing_output(job: Job) -> Job:
    job.outputs.paths[1].unlink()
    return job


def half_a_record(job: Job) -> Job:
    job.record.write_text(job.record.read_text()[:40])
    return job


def foreign_record(job: Job) -> Job:
    job.record.write_text('{"schema": 7}')
    return job


CHANGES = (repaint, other_model, other_setting, touched_output, missing_output, half_a_record, foreign_record)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: str(change.__name__))
def test_what_decides_the_result_decides_whether_it_is_done(job: Job, change: Any) -> None:
    fleet.run(job)
    assert fleet.run(change(job)).state == "done"


def test_threads_and_the_models_place_decide_nothing(job: Job, tmp_path: Path) -> None:
    fleet.run(job)
    moved = (tmp_path / "model").rename(tmp_path / "moved")
    settings = replace(job.settings, model=str(moved), threads=2)
    assert fleet.run(replace(job, settings=settings)).state == "resumed"


def test_a_folder_of_pictures_is_known_by_all_of_them(job: Job, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for index in range(3):
        cv2.imwrite(str(pictures / f"{index}.png"), tiny_model.frame((0, (8, 12, 40, 44))))
    (folder,) = fleet.jobs([str(pictures)], replace(job.outputs, json=tmp_path / "out", jsonl=None), job.settings)
    assert [fleet.run(folder).state for _ in range(2)] == ["done", "resumed"]
    cv2.imwrite(str(pictures / "2.png"), tiny_model.frame())
    assert fleet.run(folder).state == "done"


def test_a_video_that_cannot_be_read_fails_without_record(job: Job) -> None:
    Path(job.video).write_bytes(b"no video")
    outcome = fleet.run(job)
    assert outcome.state == "failed" and job.video in outcome.reason
    assert not job.record.exists()


def test_the_old_record_is_gone_before_the_first_new_file(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is killed while he computes anew must not leave a record of the old beside files of the new."""
    fleet.run(job)
    repaint(job)

    def killed(job: Job) -> Any:
        assert not job.record.exists()
        raise KeyboardInterrupt

    monkeypatch.setattr(fleet, "compute", killed)
    with pytest.raises(KeyboardInterrupt):
        fleet.run(job)
    assert not job.record.exists()


def refused(*_: object) -> Any:
    raise OSError(28, os.strerror(28))


def full(*_: object) -> Any:
    write_text(Path("/dev/full"), "text")


@pytest.mark.parametrize("full", [refused, full])
def test_a_full_disk_is_raised_to_be_tried_again(
    job: Job, monkeypatch: pytest.MonkeyPatch, full: Callable[..., Any]
) -> None:
    monkeypatch.setattr(fleet, "compute", full)
    with pytest.raises(OSError, match="No space left"):
        fleet.run(job)


def test_a_worker_whose_cuda_is_broken_ends(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would fail every video that comes after."""

    def broken(*_: object) -> Any:
        raise FatalError("CUDA is unusable for the rest of this process")

    def ended(code: int) -> Any:
        raise SystemExit(code)

    monkeypatch.setattr(fleet, "compute", broken)
    monkeypatch.setattr(os, "_exit", ended)
    with pytest.raises(SystemExit) as caught:
        ray_fleet.work(job)
    assert caught.value.code == 2
    assert not job.record.exists()


@pytest.mark.parametrize("spec", ["rtsp://user:secret@camera/live", "0", "/dev/video0"])
def test_what_cannot_be_read_again_is_refused(job: Job, spec: str) -> None:
    with pytest.raises(InputError, match="--ray takes files and folders of pictures") as caught:
        fleet.jobs([spec], job.outputs, job.settings)
    assert "secret" not in str(caught.value)


def test_a_video_that_is_missing_is_refused_before_any_runs(job: Job) -> None:
    with pytest.raises(InputError, match=r"nowhere.mp4: no such file or folder"):
        fleet.jobs([job.video, "nowhere.mp4"], job.outputs, job.settings)


def test_a_model_that_is_missing_or_altered_is_refused_before_any_video(job: Job, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such model"):
        fleet.model_sha256(tmp_path / "nowhere")
    model = Path(job.settings.model) / "model.onnx"
    model.write_bytes(model.read_bytes() + b"\0")
    with pytest.raises(IncompatibleError, match="its passport says"):
        fleet.model_sha256(Path(job.settings.model))


def test_videos_of_one_name_have_records_of_their_own(job: Job, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    other = clip(tmp_path / "b" / "cat.mkv", 2)
    made = fleet.jobs([job.video, str(other)], Outputs(None, tmp_path / "o", None, None), job.settings)
    assert len({one.record for one in made}) == 2


def test_a_fleet_destroys_no_input_and_nothing_of_others(tmp_path: Path, bundle: Path) -> None:
    """Checked before any task starts: its files go where another's video, result or its own input may be."""
    (tmp_path / "clips").mkdir()
    video = encode(tmp_path / "clips" / "a.mp4", steady(3))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.json").write_text('[{"truth": 1}]')
    settings = fleet.Settings(str(bundle), "0" * 64)
    for folders, message in (
        (Outputs(tmp_path / "clips", None, None, None), "is the input itself"),
        (Outputs(None, tmp_path / "out", None, None), "would be replaced, and stc did not write it"),
    ):
        with pytest.raises(InputError, match=message):
            fleet.jobs([str(video)], folders, settings)
    (job,) = fleet.jobs([str(video)], Outputs(None, tmp_path / "out", None, None, overwrite=True), settings)
    assert job.outputs.video_id == 1 and (tmp_path / "out" / "a.json").read_text() == '[{"truth": 1}]'


def test_a_fleet_runs_again_into_its_own_files(tmp_path: Path, bundle: Path) -> None:
    """Also where the record is gone, as after a kill between the last file and it."""
    videos = [str(encode(tmp_path / f"{name}.mp4", steady(3))) for name in "ab"]
    folders = Outputs(tmp_path / "out", tmp_path / "out", None, None)
    for _ in range(2):
        for number, job in enumerate(fleet.jobs(videos, folders, fleet.Settings(str(bundle), "0" * 64)), 1):
            assert fleet.run(job).state == "done" and job.outputs.video_id == number
            job.record.unlink()
