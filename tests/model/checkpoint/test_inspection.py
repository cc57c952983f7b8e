"""What --inspect says about a file is what the file has, complete or not."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest
import torch
from torch import Tensor

from stc.errors import CheckpointError, InputError
from stc.files import sha256
from stc.model.checkpoint import load
from stc.model.checkpoint.infer import infer
from stc.model.checkpoint.inspection import Told, inspect
from stc.model.checkpoint.layouts.known import CROSSVIS
from stc.model.checkpoint.sources import FLAGS, INFERRED
from stc.model.config import ModelConfig
from tests.seeded import HEAD, SIZES_OF_INTEREST, adelaidet_state, crossvis_state, settings

State = dict[str, Tensor]
LITE = Path("assets/stc-lite-2.safetensors")


def hollow(state: State) -> State:
    """The same names and shapes around one stored number each: a small file."""
    ones = {name: torch.ones((), dtype=tensor.dtype).expand(tensor.shape) for name, tensor in state.items()}
    return ones | settings(state)


@pytest.fixture(scope="module")
def crossvis() -> State:
    return hollow(crossvis_state(0))


def told(rows: tuple[Told, ...], name: str) -> Told:
    return next(row for row in rows if row.field == name)


def test_a_complete_checkpoint(tmp_path: Path, crossvis: State) -> None:
    path = tmp_path / "c.pth"
    torch.save({"model": crossvis, "iteration": 3}, path)
    found = inspect(path)
    loaded = load(path)
    assert found.complete and not found.problem and not found.differences
    assert (found.file, found.size, found.sha256) == (str(path), path.stat().st_size, sha256(path))
    assert (found.entry, found.entries, found.numbers) == ("model", 397, sum(t.numel() for t in crossvis.values()))
    assert found.dtypes == {"float32": 388, "int64": 9}
    assert (found.layout, found.assumed) == ("crossvis", loaded.assumed)
    assert found.known + found.ignored == 397
    assert found.config == loaded.config.to_dict() and found.config_from == "weights"
    assert sum(found.parameters.values()) == sum(
        t.numel() for name, t in loaded.model.state_dict().items() if not name.endswith("num_batches_tracked")
    )
    assert told(found.inferred, "track_dim") == Told("track_dim", 256, (f"{HEAD}.reid_pred.weight",))
    assert told(found.inferred, "num_classes").value == 40
    towers = tuple(f"{HEAD}.reid_tower.{i}.weight" for i in (0, 3, 6, 9))
    assert told(found.inferred, "track_convs") == Told("track_convs", 4, towers)
    assert told(found.not_told, "stride_in_1x1") == Told("stride_in_1x1", True, flag="--backbone-style")
    assert "ytvis2019" in found.assumed["classes"]
    assert json.loads(json.dumps(found.to_dict()))["inferred"][0]["field"] == "backbone"


def test_a_stored_setting_is_shown_with_its_entry(tmp_path: Path, crossvis: State) -> None:
    torch.save(crossvis | {SIZES_OF_INTEREST: torch.tensor([32, 64, 128, 256, 512])}, tmp_path / "c.pth")
    expected = Told("sizes_of_interest", (32, 64, 128, 256, 512), (SIZES_OF_INTEREST,))
    assert told(inspect(tmp_path / "c.pth").inferred, "sizes_of_interest") == expected
    torch.save({name: t for name, t in crossvis.items() if name != SIZES_OF_INTEREST}, tmp_path / "c.pth")
    expected = Told("sizes_of_interest", (64, 128, 256, 512, 1024))
    assert told(inspect(tmp_path / "c.pth").not_told, "sizes_of_interest") == expected


def test_every_field_of_the_config_is_told_or_not(tmp_path: Path, crossvis: State) -> None:
    torch.save(crossvis, tmp_path / "c.pth")
    found = inspect(tmp_path / "c.pth")
    names = [row.field for row in (*found.inferred, *found.not_told)]
    assert sorted(names) == sorted([f.name for f in fields(ModelConfig)] + ["num_classes"])


@pytest.mark.parametrize("name", INFERRED)
def test_the_entries_that_tell_a_field_do_decide_it(name: str, crossvis: State) -> None:
    """Without them, or with them of another shape, `infer` says something else."""
    ours = {our: tensor for theirs, tensor in crossvis.items() if (our := CROSSVIS.ours(theirs))}
    telling = [our for our in ours if re.fullmatch(INFERRED[name], our)]
    assert telling
    absent = {our: tensor for our, tensor in ours.items() if our not in telling}
    # Five dynamic layers have 80 + 64 + 64 + 64 + 8 weights and 4 * 8 + 1 biases: 313.
    other = {**ours, **{our: torch.zeros(313 if "controller" in our else 7, 7, 7, 7) for our in telling}}
    renamed = {**absent, **{our.replace("norms.0.", "norms.0.0."): ours[our] for our in telling}}
    blocks = {**absent, "backbone.res4.22.conv1.weight": torch.zeros(1)}
    wide = {**ours, **{our: torch.zeros(()).expand(256, 2048, 3, 3) for our in telling}}  # reads the backbone
    before = getattr(infer(ours), name)
    assert any(getattr(infer(changed), name) != before for changed in (absent, other, renamed, blocks, wide))


def test_flags_exist() -> None:
    from stc.export.arguments import parser

    assert all(flag in parser().format_help() for flag in FLAGS.values())


def test_a_file_that_lacks_something(tmp_path: Path, crossvis: State) -> None:
    state = {name: tensor for name, tensor in crossvis.items() if "controller" not in name}
    state["embed_head.0.weight"] = torch.zeros(()).expand(256, 256, 1, 1)
    torch.save(state, tmp_path / "c.pth")
    found = inspect(tmp_path / "c.pth")
    assert not found.complete and found.layout == "crossvis"
    assert found.differences.missing == ["controller.weight", "controller.bias"]
    assert found.differences.unexpected == ["embed_head.0.weight"]
    assert found.suggested_map == (r"embed_head\.0\.(weight)  head.track_pred.\1",)
    assert "missing (2)" in found.problem and told(found.inferred, "track_dim").value == 256


def test_numbers_that_cannot_be_weights(tmp_path: Path, crossvis: State) -> None:
    torch.save(crossvis | {"controller.bias": torch.full((169,), torch.nan)}, tmp_path / "c.pth")
    found = inspect(tmp_path / "c.pth")
    assert not found.complete and "169 of 169 numbers are NaN" in found.problem


def test_another_network(tmp_path: Path) -> None:
    torch.save({"conv1.weight": torch.zeros(2, 3), "fc.bias": torch.zeros(9).half()}, tmp_path / "c.pth")
    found = inspect(tmp_path / "c.pth")
    assert not found.complete and found.layout is None and not found.inferred
    assert (found.entries, found.numbers, found.dtypes) == (2, 15, {"float32": 1, "float16": 1})
    assert found.problem


def test_our_own_file_says_everything_itself() -> None:
    found = inspect(LITE)
    assert found.complete and (found.layout, found.config_from) == ("stc", "metadata")
    assert found.config == load(LITE).config.to_dict()
    assert found.inferred == found.not_told == () and found.assumed == {}


def test_options_are_those_of_loading(tmp_path: Path) -> None:
    torch.save(hollow(adelaidet_state(0)), tmp_path / "c.pth")
    found = inspect(tmp_path / "c.pth", backbone_style="torchvision", classes="coco")
    assert told(found.not_told, "channel_order").value == "rgb"
    assert not {"classes", "backbone_style"} & found.assumed.keys()
    with pytest.raises(InputError, match="40 names, but the checkpoint has 80"):
        inspect(tmp_path / "c.pth", classes="ytvis2019")
    (tmp_path / "c.pth").write_bytes(b"PK\x03\x04")
    with pytest.raises(CheckpointError, match="damaged"):
        inspect(tmp_path / "c.pth")
