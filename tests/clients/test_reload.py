"""Reloading a served model under load is a non-event."""
import collections
import http.client
import json
import shutil
import threading

import numpy as np
import pytest
import tritonclient.grpc

import repository
from server import PATIENCE, Server, wait_for

CLIENTS, RELOADS, WIDTH = 32, 50, 768
CONFIG = "max_batch_size: 32\ndynamic_batching { max_queue_delay_microseconds: 200 }\n"
X = np.arange(WIDTH, dtype=np.float32) / WIDTH + 1


class Load:
    """Clients that ask all the time, half over REST and half over gRPC, and check every answer."""

    def __init__(self, server):
        self.server, self.stop = server, threading.Event()
        self.versions, self.failures = collections.Counter(), []
        kinds = [self.rest, self.grpc]
        self.threads = [threading.Thread(target=self.run, args=(kinds[i % 2],)) for i in range(CLIENTS)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        wait_for(lambda: self.total() >= CLIENTS, "all clients to be served", self.server)
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join(PATIENCE)

    def total(self):
        return sum(self.versions.values()) + len(self.failures)

    def run(self, ask):
        try:
            ask()
        except Exception as error:
            self.failures.append(repr(error))

    def rest(self):
        head = json.dumps({"inputs": [{"name": "x", "shape": [1, WIDTH], "datatype": "FP32",
                                       "parameters": {"binary_data_size": X.nbytes}}],
                           "parameters": {"binary_data_output": True}}).encode()
        headers = {"Inference-Header-Content-Length": str(len(head))}
        connection = http.client.HTTPConnection(self.server.rest, timeout=PATIENCE)
        while not self.stop.is_set():
            connection.request("POST", "/v2/models/scaled/infer", head + X.tobytes(), headers)
            response = connection.getresponse()
            body = response.read()
            if response.status != 200:
                self.failures.append(f"{response.status} {body[:200]}")
                continue
            length = int(response.headers["Inference-Header-Content-Length"])
            answer, at, values = json.loads(body[:length]), length, {}
            for output in answer["outputs"]:
                size = output["parameters"]["binary_data_size"]
                values[output["name"]] = np.frombuffer(body, np.float32, size // 4, at)
                at += size
            self.check(answer["model_version"], values)

    def grpc(self):
        given = tritonclient.grpc.InferInput("x", [1, WIDTH], "FP32")
        given.set_data_from_numpy(X[None])
        with tritonclient.grpc.InferenceServerClient(self.server.grpc_address) as client:
            while not self.stop.is_set():
                result = client.infer("scaled", [given])
                values = {name: result.as_numpy(name)[0] for name in ("product", "plus")}
                self.check(result.get_response().model_version, values)

    def check(self, version, values):
        """Both outputs must be those of the version that the answer names."""
        factor = float(version)
        right = (np.allclose(values["product"], X * factor, 1e-3) and np.allclose(values["plus"], X + factor, 1e-3))
        if right:
            self.versions[int(version)] += 1
        else:
            self.failures.append(f"version {version} answered {values['product'][:3]} and {values['plus'][:3]}")


def publish(folder, version):
    repository.place(folder, "scaled", repository.scaled(version, WIDTH), version)


def replace(folder, version, server):
    """Brings the next version, has it loaded, and takes the old one's files away."""
    publish(folder, version)
    status, _, body = server.post("/v2/repository/models/scaled/load")
    assert status == 200, body
    shutil.rmtree(folder / "scaled" / str(version - 1))


def test_fifty_reloads_under_load_fail_nobody(tmp_path, monkeypatch):
    # What is held, and not what the allocator keeps for later.
    monkeypatch.setenv("MIMALLOC_PURGE_DELAY", "0")
    (tmp_path / "scaled").mkdir()
    (tmp_path / "scaled" / "config.pbtxt").write_text(CONFIG)
    publish(tmp_path, 1)
    options = ("--model-control-mode", "explicit", "--load-model", "scaled", "--repository-settle-ms", "0")
    resident = {}
    with Server(*options, repository=tmp_path) as server, Load(server) as load:
        for reload in range(1, RELOADS + 1):
            replace(tmp_path, reload + 1, server)
            served = load.total()
            wait_for(lambda: load.versions[reload + 1] >= CLIENTS or load.failures, "the new version to serve", server)
            wait_for(lambda: load.total() > served + CLIENTS, "more requests", server)
            resident[reload] = server.resident_kib()
        assert not load.failures, load.failures[:5]
    assert set(load.versions) == set(range(1, RELOADS + 2))
    # One look at a busy process says little: threads hold buffers or do not. What is never given back shows in
    # the least of ten looks.
    early, late = (min(resident[i] for i in range(first, first + 10)) for first in (3, RELOADS - 9))
    growth = late / early - 1
    print(f"{load.total()} requests, 0 failed; resident at least {early} KiB after reloads 3 to 12, "
          f"{late} KiB after the last ten ({growth:+.1%})")
    assert growth <= 0.05, resident


@pytest.mark.parametrize("what", ["new version", "new files of a version"])
def test_poll_mode_takes_up_what_changes(tmp_path, what):
    (tmp_path / "scaled").mkdir()
    (tmp_path / "scaled" / "config.pbtxt").write_text(CONFIG)
    repository.place(tmp_path, "scaled", repository.scaled(1, WIDTH), version=1)
    options = ("--model-control-mode", "poll", "--repository-poll-secs", "1", "--repository-settle-ms", "100")
    version = 2 if what == "new version" else 1
    with Server(*options, repository=tmp_path) as server:
        repository.place(tmp_path, "scaled", repository.scaled(2, WIDTH), version=version)
        wait_for(lambda: factor(server) == 2, "the change to be served", server)
        shutil.rmtree(tmp_path / "scaled")
        wait_for(lambda: server.get("/v2/models/scaled/ready")[0] != 200, "the model to go", server)
        repository.place(tmp_path, "another", repository.scaled(3, WIDTH))
        wait_for(lambda: server.get("/v2/models/another/ready")[0] == 200, "a new model to serve", server)


def factor(server):
    status, answer = server.infer("scaled", {"inputs": [
        {"name": "x", "shape": [1, WIDTH], "datatype": "FP32", "data": [1] * WIDTH}]})
    assert status == 200, answer
    return {output["name"]: output["data"][0] for output in answer["outputs"]}["product"]
