"""A full queue, passed deadlines, a model that still loads, clients that leave."""
import concurrent.futures
import json
import threading
import time

import numpy as np
import pytest
import tritonclient.grpc
from tritonclient.utils import InferenceServerException

import repository
from server import Server, wait_for

QUEUE = "max_queue_size: 2 allow_timeout_override: true timeout_action: REJECT"
CONFIG = f"max_batch_size: 1\ndynamic_batching {{ default_queue_policy {{ {QUEUE} }} }}\n"
BODY = {"inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [3]}]}
STEPS = 8


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """`slow` takes a good part of a second and lets two wait; `identity` is quick."""
    folder = tmp_path_factory.mktemp("models")
    repository.place(folder, "slow", repository.slow(STEPS), config=CONFIG)
    repository.place(folder, "identity", repository.identity())
    with Server("--repository-settle-ms", "0", repository=folder) as server:
        yield server


def ask(server, parameters=None):
    body = BODY | ({"parameters": parameters} if parameters else {})
    status, headers, answer = server.post("/v2/models/slow/infer", body)
    return status, headers, json.loads(answer)


def keep_busy(server, pool, count):
    """So many requests under way: one runs, the others wait."""
    asked = [pool.submit(ask, server)]
    wait_for(lambda: pending(server) == 0 and running(server), "the first to run", server)
    asked += [pool.submit(ask, server) for _ in range(count - 1)]
    wait_for(lambda: pending(server) == count - 1, "the others to wait", server)
    return asked


def pending(server):
    return metric(server, "nv_inference_pending_request_count")


def running(server):
    """Requests taken and neither answered nor waiting cannot be seen, so give the first a moment to be taken."""
    time.sleep(0.1)
    return True


def metric(server, name):
    lines = [line for line in server.metrics().splitlines() if line.startswith(f"{name}{{") and '"slow"' in line]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def test_a_full_queue_says_when_to_come_back(server):
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        asked = keep_busy(server, pool, 3)
        status, headers, answer = ask(server)
        assert status == 429, answer
        assert int(headers["Retry-After"]) >= 1 and "slow" in answer["error"]
        with server.grpc() as client, pytest.raises(InferenceServerException) as caught:
            client.infer("slow", grpc_input())
        assert "RESOURCE_EXHAUSTED" in caught.value.status()
        identity = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]}
        assert server.infer("identity", identity)[0] == 200
        for request in asked:
            status, _, answer = request.result()
            assert status == 200 and abs(answer["outputs"][0]["data"][0] - 3) < 0.01, answer


def grpc_input():
    given = tritonclient.grpc.InferInput("x", [1, 1], "FP32")
    given.set_data_from_numpy(np.full((1, 1), 3, np.float32))
    return [given]


def test_a_queue_timeout_is_504(server):
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        asked = keep_busy(server, pool, 2)
        status, _, answer = ask(server, {"timeout": 1000})
        assert status == 504, answer
        with server.grpc() as client, pytest.raises(InferenceServerException) as caught:
            client.infer("slow", grpc_input(), timeout=1000)
        assert "DEADLINE_EXCEEDED" in caught.value.status()
        assert [request.result()[0] for request in asked] == [200, 200]


def test_a_request_that_waits_beyond_its_grpc_deadline_is_not_run(server):
    before = metric(server, "nv_inference_exec_count")
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        asked = keep_busy(server, pool, 2)
        with server.grpc() as client, pytest.raises(InferenceServerException) as caught:
            client.infer("slow", grpc_input(), client_timeout=0.05)
        assert "DEADLINE_EXCEEDED" in caught.value.status()
        assert [request.result()[0] for request in asked] == [200, 200]
    wait_for(lambda: pending(server) == 0, "the queue to be empty", server)
    assert metric(server, "nv_inference_exec_count") - before == 2


def test_a_client_that_leaves_takes_its_request_with_it(server):
    before = metric(server, "nv_inference_exec_count")
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        asked = keep_busy(server, pool, 2)
        leaving = server.connection()
        leaving.request("POST", "/v2/models/slow/infer", json.dumps(BODY))
        wait_for(lambda: pending(server) == 2, "the third to wait", server)
        leaving.close()
        wait_for(lambda: pending(server) < 2, "the third to go", server)
        assert [request.result()[0] for request in asked] == [200, 200]
    assert metric(server, "nv_inference_exec_count") - before == 2


def test_a_model_that_still_loads_says_so(tmp_path):
    warmup = ('model_warmup [ { name: "long" batch_size: 1 count: 20 inputs { key: "x" value '
              '{ data_type: TYPE_FP32 dims: [ 1 ] zero_data: true } } } ]\n')
    repository.place(tmp_path, "slow", repository.slow(STEPS), config="max_batch_size: 1\n" + warmup)
    with Server("--model-control-mode", "explicit", "--repository-settle-ms", "0", repository=tmp_path) as server:
        loading = threading.Thread(target=server.post, args=("/v2/repository/models/slow/load",))
        loading.start()
        wait_for(lambda: b"LOADING" in server.post("/v2/repository/index")[2], "the model to load", server)
        status, headers, answer = ask(server)
        assert status == 503 and int(headers["Retry-After"]) >= 1, answer
        assert "LOADING" in answer["error"]
        assert server.get("/v2/models/slow/ready")[0] != 200
        loading.join()
        assert ask(server)[0] == 200
