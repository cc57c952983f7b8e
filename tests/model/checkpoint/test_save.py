"""Our own file: what is saved is what is loaded, config included."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from stc.errors import InputError
from stc.model.checkpoint import load, save
from stc.model.checkpoint.save import weights
from stc.model.config import STC_LITE
from stc.model.network import STC
from tests.seeded import stc_lite_model


@pytest.fixture(scope="module")
def model() -> STC:
    return stc_lite_model(0)


def test_float32_comes_back_bit_by_bit(tmp_path: Path, model: STC) -> None:
    save(model, tmp_path / "m.safetensors")
    checkpoint = load(tmp_path / "m.safetensors")
    assert (checkpoint.layout, checkpoint.config, checkpoint.assumed) == ("stc", STC_LITE, {})
    loaded = checkpoint.model.state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in weights(model).items())
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected, found = model(images), checkpoint.model(images)
    assert torch.equal(found.mask_feats, expected.mask_feats)


def test_float16_halves_the_file_and_is_widened(tmp_path: Path, model: STC) -> None:
    save(model, tmp_path / "m.safetensors")
    save(model, tmp_path / "half.safetensors", dtype=torch.float16)
    assert (tmp_path / "half.safetensors").stat().st_size < 0.55 * (tmp_path / "m.safetensors").stat().st_size
    loaded = weights(load(tmp_path / "half.safetensors").model)
    for name, tensor in weights(model).items():
        assert loaded[name].dtype == torch.float32
        stored = tensor.half().float() if tensor.ndim > 1 else tensor
        assert torch.equal(loaded[name], stored), name


def test_a_config_of_its_own_comes_back(tmp_path: Path, model: STC) -> None:
    other = STC(STC_LITE.with_(score_threshold=0.2, input_size=(128, 160), classes=("x", "y", "z")))
    other.load_state_dict(model.state_dict())
    save(other, tmp_path / "m.safetensors")
    assert load(tmp_path / "m.safetensors").config == other.config
    renamed = load(tmp_path / "m.safetensors", classes=["a", "b", "c"]).config
    assert renamed == other.config.with_(classes=("a", "b", "c"))
    with pytest.raises(InputError, match="3 classes"):
        load(tmp_path / "m.safetensors", classes=["a"])
    with pytest.raises(InputError, match="leave out --backbone-style"):
        load(tmp_path / "m.safetensors", backbone_style="msra")


def test_our_names_in_a_torch_file_take_the_preset_and_say_so(tmp_path: Path, model: STC) -> None:
    torch.save({"model": model.state_dict(), "optimizer": {}}, tmp_path / "m.pth")
    checkpoint = load(tmp_path / "m.pth")
    assert checkpoint.layout == "stc"
    assert checkpoint.config == STC_LITE.with_(classes=("class_0", "class_1", "class_2"))
    assert set(checkpoint.assumed) == {"classes", "config"}


def test_nothing_is_written_that_could_not_be_loaded(tmp_path: Path, model: STC) -> None:
    with pytest.raises(InputError, match="safetensors"):
        save(model, tmp_path / "m.pth")
    with pytest.raises(InputError, match="float32 or float16"):
        save(model, tmp_path / "m.safetensors", dtype=torch.bfloat16)
    large = STC(STC_LITE)
    large.load_state_dict(model.state_dict())
    with torch.no_grad():
        large.fpn.p6.weight[0, 0, 0, 0] = 70000.0
    with pytest.raises(InputError, match=r"fpn\.p6\.weight .*float16"):
        save(large, tmp_path / "m.safetensors", dtype=torch.float16)
    assert list(tmp_path.iterdir()) == []
