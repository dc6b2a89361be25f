"""Whatever happens to the process, its files and its clock: what served goes on, or comes back as it was."""
import json
import os
import pathlib
import shutil
import signal
import threading
import time

import pytest

import repository
from server import Server, wait_for

WIDTH = 256
BODY = {"inputs": [{"name": "x", "shape": [1, WIDTH], "datatype": "FP32", "data": [1] * WIDTH}]}
POLL = ("--model-control-mode", "poll", "--repository-poll-secs", "1", "--repository-settle-ms", "300")
TRAFFIC = ("[labels]\nstable = 1\ncanary = 2\n[split]\nweights = { stable = 100, canary = 0 }\n"
           'sticky = [{ header = "x-user" }]\n')


def kill(server):
    """SIGKILL, and nothing else: the next server finds what this one left."""
    server.process.send_signal(signal.SIGKILL)
    assert server.process.wait() == -signal.SIGKILL


def product(server, version=None):
    """What model `scaled` answers: the factor of the version that it names."""
    status, answer = server.infer("scaled", BODY, version)
    assert status == 200, answer
    return next(output for output in answer["outputs"] if output["name"] == "product")["data"][0]


def index(server, model="scaled"):
    """State and reason of each version."""
    entries = json.loads(server.post("/v2/repository/index")[2])
    return {entry.get("version"): (entry.get("state"), entry.get("reason", ""))
            for entry in entries if entry["name"] == model}


def looked(server, folder):
    """Returns once the server has looked at all that is in its repository now: a model that comes last shows it."""
    name = f"marker{time.monotonic_ns()}"
    repository.place(folder, name, repository.identity())
    wait_for(lambda: server.get(f"/v2/models/{name}/ready")[0] == 200, f"{name} to be seen", server)
    shutil.rmtree(folder / name)


class Asking:
    """A client that asks all the time and notes every answer."""

    def __init__(self, server):
        self.server, self.stop, self.answers, self.failures = server, threading.Event(), [], []
        self.threads = [threading.Thread(target=self.run) for _ in range(2)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        wait_for(lambda: self.answers, "a first answer", self.server)
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def until(self, answer, what):
        """Returns once it was answered this."""
        wait_for(lambda: answer in self.answers, what, self.server)

    def run(self):
        while not self.stop.is_set():
            try:
                self.answers.append(product(self.server))
            except Exception as error:
                self.failures.append(repr(error))


@pytest.fixture
def models(tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    repository.place(folder, "scaled", repository.scaled(1, WIDTH))
    return folder


def serve(folder, **more):
    # A machine that is busy with something else is never idle.
    return Server(*POLL, "--load-priority", "low", repository=folder, **more)


def test_killed_while_a_model_loads(models):
    """Loading warms up, and the slow model's warm-up takes long."""
    repository.place(models, "slow", repository.slow(1))
    first = serve(models, ready=False)
    wait_for(lambda: index(first, "slow").get("1", ("",))[0] == "LOADING", "the slow model to load", first)
    kill(first)
    with serve(models) as second:
        assert product(second) == 1
        assert index(second, "slow") == {"1": ("READY", "")}


def test_killed_while_a_new_version_loads(models):
    first = serve(models)
    repository.place(models, "scaled", repository.scaled(2, WIDTH), version=2)
    wait_for(lambda: "2" in index(first), "the new version to be found", first)
    kill(first)
    with serve(models) as second:
        assert product(second) in (1, 2)
        wait_for(lambda: product(second) == 2, "the new version, as soon as its files have settled", second)
        assert index(second)["2"] == ("READY", "")


def test_killed_before_a_traffic_file_is_renamed(models):
    """Half of it lies aside under another name: the old file is what counts."""
    repository.place(models, "scaled", repository.scaled(2, WIDTH), version=2)
    traffic = models / "scaled" / "traffic.toml"
    traffic.write_text(TRAFFIC)
    first = serve(models)
    assert product(first) == 1, "all of it goes to stable"
    (models / "scaled" / ".traffic.toml").write_text(TRAFFIC.replace("100", "0")[:40])
    kill(first)
    with serve(models) as second:
        assert product(second) == 1
        assert product(second, "canary") == 2
        assert "refused" not in shown(second)


def shown(server):
    """What the traffic page says, without what is empty."""
    answer = json.loads(server.get("/v2/models/scaled/traffic")[2])
    return {key: value for key, value in answer.items() if value}


@pytest.mark.parametrize("while_running", [True, False], ids=["while it serves", "and then restarted"])
def test_half_a_traffic_file(models, while_running):
    """Written in place and cut off within a line. What applied before goes on, also over a restart."""
    repository.place(models, "scaled", repository.scaled(2, WIDTH), version=2)
    traffic = models / "scaled" / "traffic.toml"
    traffic.write_text(TRAFFIC)
    half = TRAFFIC[:TRAFFIC.index("canary = 0")]
    first = serve(models)
    assert product(first) == 1
    traffic.write_text(half)
    if while_running:
        wait_for(lambda: "refused" in shown(first), "the half file to be refused", first)
        assert product(first) == 1, "what applied before goes on"
        traffic.write_text(TRAFFIC)
        wait_for(lambda: "refused" not in shown(first), "the whole file to be taken", first)
        assert first.stop() == 0
        return
    kill(first)
    with serve(models) as second:
        assert "line 5" in shown(second)["refused"], shown(second)
        assert product(second) == 1, "what applied before goes on"
        traffic.write_text(TRAFFIC.replace("stable = 1", "stable = 2"))
        wait_for(lambda: "refused" not in shown(second), "the whole file to be taken", second)
        assert product(second) == 2


def test_a_version_that_is_being_copied(models):
    """Its files come one by one, the model's in pieces: never served, and served once it is whole."""
    whole = repository.scaled(2, WIDTH).SerializeToString()
    with serve(models) as server, Asking(server) as asking:
        copy = models / "scaled" / "2"
        copy.mkdir()
        (copy / "notes.txt").write_text("comes first")
        with (copy / "model.onnx").open("wb") as file:
            for piece in range(4):
                file.write(whole[len(whole) * piece // 5:len(whole) * (piece + 1) // 5])
                file.flush()
                looked(server, models)
                assert index(server)["1"] == ("READY", "")
                assert product(server) == 1
            assert set(asking.answers) == {1}
            file.write(whole[len(whole) * 4 // 5:])
        wait_for(lambda: product(server) == 2, "the whole version to be served", server)
        assert not asking.failures, asking.failures[:3]
        assert set(asking.answers) <= {1, 2}


def test_killed_with_half_a_version(models):
    """A copy that nobody ends is tried after the settle time, refused with a reason, and takes nothing away."""
    whole = repository.scaled(2, WIDTH).SerializeToString()
    first = serve(models)
    (models / "scaled" / "2").mkdir()
    (models / "scaled" / "2" / "model.onnx").write_bytes(whole[:len(whole) // 2])
    kill(first)
    with serve(models, ready=False) as second:
        wait_for(lambda: index(second).get("2", ("",))[0] == "UNAVAILABLE", "half a version to be refused", second)
        assert index(second)["2"][1], "it says why"
        assert product(second) == 1
        (models / "scaled" / "2" / "model.onnx").write_bytes(whole)
        wait_for(lambda: product(second) == 2, "the whole version to be served", second)


def test_a_repository_that_vanishes_and_returns(models, tmp_path):
    away = tmp_path / "away"
    with serve(models) as server, Asking(server) as asking:
        models.rename(away)
        wait_for(lambda: "cannot be read" in index(server)["1"][1], "the index to say why", server)
        assert index(server)["1"][0] == "READY"
        assert server.is_ready()
        # A mount that comes back is another directory, and there at once: an empty one would be an empty repository.
        shutil.copytree(away, tmp_path / "mounted").rename(models)
        wait_for(lambda: index(server)["1"] == ("READY", ""), "the index to be as before", server)
        repository.place(models, "scaled", repository.scaled(2, WIDTH), version=2)
        asking.until(2, "an update to be taken again")
        assert not asking.failures, asking.failures[:3]
        assert set(asking.answers) == {1, 2}


def test_a_version_that_is_replaced_in_place_under_load(models):
    """Truncated and overwritten while it serves, as `cp` does: nothing of it is mapped, so nobody notices."""
    file = models / "scaled" / "1" / "model.onnx"
    with serve(models) as server, Asking(server) as asking:
        for factor in (2, 3, 4):
            whole = repository.scaled(factor, WIDTH).SerializeToString()
            with file.open("r+b") as target:
                target.truncate(0)
                target.flush()
                answered = len(asking.answers)
                wait_for(lambda: len(asking.answers) > answered + 20, "answers over an empty file", server)
                target.write(whole[:1000])
                target.flush()
                answered = len(asking.answers)
                wait_for(lambda: len(asking.answers) > answered + 20, "answers over a short file", server)
                target.write(whole[1000:])
            asking.until(factor, "the new file to be served")
        assert "model.onnx" not in pathlib.Path(f"/proc/{server.process.pid}/maps").read_text()
        assert not asking.failures, asking.failures[:3]
        assert set(asking.answers) == {1, 2, 3, 4}


@pytest.mark.parametrize("years", [-30, 30], ids=["in the past", "in the future"])
def test_files_from_another_time(models, years):
    """A clock that jumped leaves files of another time. They are taken, at a start and when they come later."""
    then = time.time() + years * 365 * 86400

    def age(version):
        folder = models / "scaled" / str(version)
        for path in (folder / "model.onnx", folder):
            os.utime(path, (then, then))

    (models / "scaled" / "traffic.toml").write_text(TRAFFIC)
    os.utime(models / "scaled" / "traffic.toml", (then, then))
    age(1)
    with serve(models) as server:
        assert product(server) == 1
        repository.place(models, "scaled", repository.scaled(2, WIDTH), version=2)
        age(2)
        wait_for(lambda: index(server).get("2") == ("READY", ""), "the new version to be served", server)
        # Replaced by a file that says that it is older still: any other time is a change.
        repository.place(models, "scaled", repository.scaled(3, WIDTH), version=2)
        age(2)
        os.utime(models / "scaled" / "2" / "model.onnx", (then - 3600, then - 3600))
        wait_for(lambda: product(server, 2) == 3, "the replaced version to be served", server)
