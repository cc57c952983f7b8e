"""Names of devices."""

from __future__ import annotations

import argparse

import pytest

from stc.errors import InputError
from stc.runtime.machine.device import FIRST_GPU, Device, add_option, parse


@pytest.mark.parametrize(
    ("name", "device", "shown"),
    [
        ("cpu", Device("cpu"), "cpu"),
        ("cuda", FIRST_GPU, "cuda"),
        ("cuda:0", FIRST_GPU, "cuda"),
        ("cuda:1", Device("cuda", 1), "cuda:1"),
        ("cuda:12", Device("cuda", 12), "cuda:12"),
        ("gpu", Device("gpu"), "gpu"),  # OpenVINO's
        ("gpu:1", Device("gpu", 1), "gpu:1"),
        ("npu", Device("npu"), "npu"),
    ],
)
def test_a_name_is_a_device_and_the_other_way_round(name: str, device: Device, shown: str) -> None:
    assert parse(name) == device and str(device) == shown and parse(shown) == device


@pytest.mark.parametrize("name", ["cuda:\u0661", "cpu:0", "npu:0", "GPU", "gpu.0", "cuda\n", "Cuda:0", "0", "cuda:0.5"])
def test_any_other_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="unknown device"):
        parse(name)


def test_a_command_refuses_a_name_before_it_does_anything() -> None:
    parser = argparse.ArgumentParser()
    add_option(parser)
    assert parser.parse_args([]).device is None
    assert parser.parse_args(["--device", "cuda:1"]).device == "cuda:1"
    with pytest.raises(InputError, match="unknown device 'tpu'"):
        parser.parse_args(["--device", "tpu"])
