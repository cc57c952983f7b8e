"""The bar of every command."""

from __future__ import annotations

import pytest

from stc.progress import bar


def test_a_bar_is_silent_where_stderr_is_no_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    with bar("[reading]", None) as advance:
        advance()
        advance(3)
    assert capfd.readouterr() == ("", "")


def test_a_bar_shows_its_title_as_it_is_and_the_count_on_stderr(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with bar("[reading]", 4) as advance:
        advance(3)
    out, err = capfd.readouterr()
    assert out == ""
    assert "[reading]" in err
    assert "3/4" in err
