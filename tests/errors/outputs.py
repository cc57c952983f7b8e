"""Outputs that would take the place of something, or that cannot be written."""

from __future__ import annotations

import os
import sys
from dataclasses import replace

from stc.export import folder
from stc.export.triton import repository
from stc.files import write_text
from stc.runtime.bundle import passport
from tests.errors.cases import Place, case
from tests.runtime import tiny_model


def evaluation(place: Place, *arguments: str) -> None:
    from stc.benchmarks.evaluation.main import main

    (place.bundle / "truth.json").write_text("{}")
    place.monkeypatch.chdir(place.bundle)
    main(["--results", "results.json", "--data", "truth.json", *arguments])


@case
def output_is_input(place: Place) -> None:
    evaluation(place, "--json", "truth.json")


@case
def output_twice(place: Place) -> None:
    from stc.benchmarks.main import main

    main([str(place.bundle), "--json", "report", "--html", "report"])


@case
def output_is_folder(place: Place) -> None:
    evaluation(place, "--json", ".")


@case
def output_unwritable(place: Place) -> None:
    evaluation(place, "--json", "/proc/none.json")


@case
def pipe_unread(place: Place) -> None:
    place.monkeypatch.setattr("stc.pipes.PATIENCE", 0.2)
    os.mkfifo(place.bundle / "pipe")
    write_text(place.bundle / "pipe", "text")


@case
def stdout_full(place: Place) -> None:
    place.monkeypatch.setattr(sys, "stdout", open("/dev/full", "w", encoding="utf-8"))  # noqa: PTH123, SIM115
    print("text")  # noqa: T201


def into(place: Place, name: str, *more: str) -> None:
    from stc.export.main import main

    main(["--ckpt", "assets/stc-lite-2.safetensors", "-o", str(place.bundle.parent / name), *more])


@case
def bundle_folder(place: Place) -> None:
    (place.bundle.parent / "thesis").mkdir()
    (place.bundle.parent / "thesis/chapter1.tex").touch()
    into(place, "thesis", "--trt", "none")


@case
def bundle_clash(place: Place) -> None:
    known = passport.read(place.bundle)
    listed = {name: digest for name, digest in known.files.items() if name != "engine.plan"}
    replace(known, files=listed).write(place.bundle)
    folder.bundle(place.bundle, frozenset({"engine.plan"}))


@case
def bundle_untold(place: Place) -> None:
    place.flip("passport.json")
    into(place, place.bundle.name, "--trt", "none")


@case
def triton_edited(place: Place) -> None:
    bundle = tiny_model.write_bundle(place.bundle.parent / "plain")
    written = repository.write(bundle, place.bundle.parent / "models")
    (written.path / "tiny/config.pbtxt").write_text("mine")
    repository.write(bundle, written.path)


@case
def run_folder(place: Place) -> None:
    from stc.training.main import main

    (place.bundle / "log.csv").touch()
    main(["--data", "a.json", "--frames", "frames", "--output", str(place.bundle)])
