"""Tests of what deploys the server: they use the client tests' way of running it."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "clients"))

from server import BINARY  # noqa: E402: only there since the line above


def pytest_sessionstart():
    if not BINARY.exists():
        pytest.exit(f"{BINARY} is not built: run tests/run, or cargo build", returncode=2)
