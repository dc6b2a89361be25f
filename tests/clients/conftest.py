"""Servers that several test files share. Tests that stop, starve or reload a server start their own."""
import pathlib

import pytest

import repository
from server import BINARY, ROOT, Server

SETTLED = ("--repository-settle-ms", "0")


def pytest_addoption(parser):
    parser.addoption("--quick", action="store_true", help="leave out the large real models")


def pytest_sessionstart():
    if not BINARY.exists():
        pytest.exit(f"{BINARY} is not built: run tests/run, or cargo build", returncode=2)


@pytest.fixture(scope="session")
def examples():
    """The models of model-repo, as the README serves them."""
    with Server(repository=ROOT / "model-repo") as server:
        yield server


@pytest.fixture(scope="session")
def small_models(tmp_path_factory):
    """A repository of tiny models."""
    folder: pathlib.Path = tmp_path_factory.mktemp("models")
    repository.place(folder, "identity", repository.identity(), config="max_batch_size: 8\ndynamic_batching { }\n")
    repository.place(folder, "types", repository.every_type())
    (folder / "types" / "traffic.toml").write_text("[labels]\nstable = 1\n[split]\nweights = { stable = 1 }\n"
                                                   "[shadow]\nto = 1\npercent = 1\n"
                                                   "[rollout]\ncanary = 2\nsteps = [{ set_weight = 5 }]\n"
                                                   "guards = { error_rate = 0.1 }\n")
    repository.place(folder, "scaled", repository.scaled(1), version=1, config="version_policy { all { } }\n")
    repository.place(folder, "scaled", repository.scaled(2), version=2)
    return folder


@pytest.fixture(scope="session")
def small(small_models):
    """A server of the tiny models."""
    with Server(*SETTLED, repository=small_models) as server:
        yield server
