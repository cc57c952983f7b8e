"""Fixtures of the runtime's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from stc.runtime import Session
from tests.runtime import tiny_model


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle of the tiny model; not to be changed."""
    return tiny_model.write_bundle(tmp_path_factory.mktemp("tiny") / "bundle")


@pytest.fixture(scope="session")
def session(bundle: Path) -> Session:
    return Session(bundle, threads=1)
