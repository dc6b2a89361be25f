"""Tests of what deploys the server: they use the client tests' way of running it."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "clients"))
