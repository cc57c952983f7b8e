"""Key maps: foreign names become ours, and every unusable line is named with its number."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
import torch
from torch import Tensor

from stc.errors import CheckpointError, InputError
from stc.model.checkpoint import key_map, load
from stc.model.checkpoint.key_map import suggested_map
from stc.model.checkpoint.layouts.known import ADELAIDET
from stc.model.decode import decode
from tests.seeded import HEAD, crossvis_state

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def crossvis() -> State:
    return crossvis_state(3)


def renamed(state: State) -> State:
    """CrossVIS's tracking head under the names of nobody, as ConvModules number them."""
    result = {}
    for name, tensor in state.items():
        if match := re.fullmatch(rf"{HEAD}\.reid_tower\.(\d+)\.(.*)", name):
            index = int(match[1])
            kind = "gn" if index % 3 else "conv"
            result[f"{HEAD}.embed_convs.{index // 3}.{kind}.{match[2]}"] = tensor
        else:
            for theirs, other in (
                (f"{HEAD}.reid_pred_bn.", "embed_bn"),
                (f"{HEAD}.reid_pred.", "embed_out"),
                ("cls.", "embed_classifier"),
            ):
                if name.startswith(theirs):
                    name = f"{HEAD}.{other}.{name.removeprefix(theirs)}"  # noqa: PLW2901
            result[name] = tensor
    assert len(result) == len(state)
    return result


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


MAP = (
    "# a tracking head",
    r"proposal_generator\.fcos_head\.embed_convs\.(\d)\.conv\.(\w+)   head.track_tower.convs.\1.\2",
    r"proposal_generator\.fcos_head\.embed_convs\.(\d)\.gn\.(\w+)     head.track_tower.norms.\1.\2  # group norm",
    "",
    r".*\.embed_out\.(?P<part>\w+)   head.track_pred.\g<part>",
    r".*\.embed_bn\.(\w+)            head.track_norm.\1",
    r".*\.embed_classifier\..*       -",
)


@pytest.mark.slow
def test_a_tracking_head_under_foreign_names_gives_the_embeddings_of_the_reference(
    tmp_path: Path, crossvis: State
) -> None:
    torch.save({"model": crossvis}, tmp_path / "reference.pth")
    torch.save({"model": renamed(crossvis)}, tmp_path / "foreign.pth")
    reference = load(tmp_path / "reference.pth")
    mapped = load(tmp_path / "foreign.pth", key_map=write(tmp_path / "map.txt", *MAP))
    assert mapped.config == reference.config and mapped.config.track_dim == 256

    images = 60 * torch.randn(1, 3, 128, 160, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected, found = reference.model(images), mapped.model(images)
        detected = decode(found, mapped.config)
    assert int(detected.count) > 0
    assert found.embeddings and expected.embeddings
    assert all(torch.equal(a, b) for a, b in zip(found.embeddings, expected.embeddings, strict=True))
    assert torch.equal(detected.embeddings, decode(expected, reference.config).embeddings)


@pytest.mark.slow
def test_without_a_map_the_error_suggests_one_that_works(tmp_path: Path, crossvis: State) -> None:
    torch.save(renamed(crossvis), tmp_path / "c.pth")
    with pytest.raises(CheckpointError) as caught:
        load(tmp_path / "c.pth")
    text = str(caught.value)
    head, _, suggested = text.partition("  suggested map:\n")
    assert "it holds a tracking head under foreign names" in head and "--key-map FILE" in head
    left = [name for name in renamed(crossvis) if "embed" in name and not name.endswith("num_batches_tracked")]
    assert f"unexpected ({len(left)}):" in head and all(
        f"    {name}\n" in head for name in left
    )  # the list is complete

    loaded = load(tmp_path / "c.pth", key_map=write(tmp_path / "map.txt", suggested))
    torch.save(crossvis, tmp_path / "reference.pth")
    expected = load(tmp_path / "reference.pth").model.state_dict()
    found = loaded.model.state_dict()
    assert found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.slow
def test_other_left_overs_are_no_tracking_head(tmp_path: Path, crossvis: State) -> None:
    extra = {"boundary_head.convs.0.weight": torch.zeros(256, 256, 3, 3), "track.fc.weight": torch.zeros(3, 256)}
    torch.save(crossvis | extra, tmp_path / "c.pth")
    with pytest.raises(CheckpointError, match="unexpected \\(2\\)") as caught:
        load(tmp_path / "c.pth")
    assert "suggested map" not in str(caught.value)
    with pytest.raises(InputError, match=r"line 2: nothing.* matches no entry"):
        load(tmp_path / "c.pth", key_map=write(tmp_path / "m", r"boundary_head\..*  -", r"nothing.*  -"))
    load(tmp_path / "c.pth", key_map=write(tmp_path / "m", r"boundary_head\..*  -", r"track\..*  -"))


def test_what_our_head_cannot_hold_stands_in_a_comment() -> None:
    shapes = {
        "track_head.0.weight": (256, 256, 3, 3),
        "track_head.1.weight": (256,),
        "track_head.1.bias": (256,),
        "track_head.1.running_mean": (256,),
        "track_head.1.running_var": (256,),
        "track_head.3.weight": (128, 256, 1, 1),
        "track_head.3.bias": (128,),
        "track_fc.weight": (9, 128),
    }
    assert suggested_map(shapes, shapes) == [
        r"track_head\.0\.(weight)  head.track_tower.convs.0.\1",
        "# track_head.1: another kind of norm than ours there (batch norm after the last layer only)",
        r"track_head\.3\.(weight|bias)  head.track_pred.\1",
        r"track_fc\..*  -  # no convolution, no norm: a classifier of the training?",
    ]


def test_a_whole_network_under_foreign_names(tmp_path: Path, crossvis: State) -> None:
    """Every entry through the map: ours with a prefix, the scales of the levels one by one."""
    ours = {f"net.{ADELAIDET.ours(name)}": t for name, t in crossvis.items() if ADELAIDET.ours(name)}
    torch.save(ours, tmp_path / "c.pth")
    loaded = load(tmp_path / "c.pth", key_map=write(tmp_path / "m", r"net\.(.*) \1"))
    assert loaded.layout == "stc"
    assert torch.equal(loaded.model.head.controller.weight, crossvis["controller.weight"])
    assert loaded.model.head.scales.tolist() == [float(crossvis[f"{HEAD}.scales.{i}.scale"]) for i in range(5)]


@pytest.mark.parametrize(
    ("lines", "problems"),
    [
        (["a(b  head.scales"], [r"line 1: a\(b: missing \), unterminated"]),
        (["# note", "", "a", "a b c"], ["line 3: must be a regular expression and a name; got 1", "line 4: .* got 3"]),
        (["(a+)+b head.scales"], [r"line 1: \(a\+\)\+b: a group that repeats"]),
        ([".*.*.*.*.*x head.scales"], ["line 1: .* more than 4 repeats"]),
        (["a?" * 20 + " head.scales"], ["line 1: .* more than 4 options"]),
        (["a" * 2000 + " head.scales"], ["line 1: .* longer than 600 letters"]),
        (["# nothing"], ["holds no line"]),
    ],
)
def test_unusable_lines(tmp_path: Path, lines: list[str], problems: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        key_map.read(write(tmp_path / "map.txt", *lines))
    assert all(re.search(problem, str(caught.value)) for problem in problems), caught.value


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (
            [r"x\.a head.track_prediction.weight"],
            r"line 1: x\.a would be .*no weight of ours; closest: head\.track_pred",
        ),
        ([r"x\.a head.scales.\2"], r"line 1: head\.scales\.\\2: invalid group reference"),
        ([r"x\.a head.scales.\g<n>"], "line 1: .*unknown group name"),
        (
            [r"x\.a head.scales", r"y\.a head.scales"],
            r"head\.scales: the name of 2 entries: x\.a \(line 1\), y\.a \(line 2\)",
        ),
        ([r"x\..* -", r"x\.a head.scales"], r"line 2: x\\\.a matches no entry .* that no line above it matches"),
        ([r"X\.A -"], "line 1: .*matches no entry"),
    ],
)
def test_lines_that_do_not_fit_the_file(tmp_path: Path, lines: list[str], problem: str) -> None:
    names = ["x.a", "x.b", "y.a", "y.num_batches_tracked"]
    with pytest.raises(InputError, match=problem):
        key_map.read(write(tmp_path / "map.txt", *lines)).names(names)


def test_a_name_that_the_layout_gives_already(tmp_path: Path, crossvis: State) -> None:
    torch.save(crossvis | {"x.a": torch.zeros(1)}, tmp_path / "c.pth")
    with pytest.raises(InputError, match=r"x\.a: gets the name head\.controller\.bias, which controller\.bias has"):
        load(tmp_path / "c.pth", key_map=write(tmp_path / "m", r"x\.a head.controller.bias"))
    mapped = write(tmp_path / "m", r"x\.a head.controller.bias", r"controller\.bias -")
    with pytest.raises(CheckpointError, match=r"misshapen \(1\):\n    x\.a is \(1,\), must be \(169,\)"):
        load(tmp_path / "c.pth", key_map=mapped)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", None])
def test_a_file_that_is_no_text(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "m").write_bytes(content)
    with pytest.raises(InputError, match="not a readable text file"):
        key_map.read(tmp_path / "m")


def test_the_slowest_expressions_that_are_admitted_end(tmp_path: Path) -> None:
    """Not a timing: an exponential search would not end within the age of the universe."""
    lines = ["a?" * 4 + ".*.*.*.*x head.scales", "|".join("a" * 5) + " head.scales"]
    names = ["a" * key_map.MAX_KEY, "b" * 10_000]
    start = time.process_time()
    with pytest.raises(InputError, match=r"2 problems.*\n.*line 1.*matches no entry"):
        key_map.read(write(tmp_path / "m", *lines)).names(names)
    assert time.process_time() - start < 60
