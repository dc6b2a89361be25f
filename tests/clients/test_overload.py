"""A full queue, passed deadlines, a model that still loads, clients that leave."""
import concurrent.futures
import contextlib
import json
import threading
import time

import numpy as np
import pytest
import tritonclient.grpc
from tritonclient.utils import InferenceServerException

import repository
from server import Server, wait_for

QUEUE = "max_queue_size: 3 allow_timeout_override: true timeout_action: REJECT"
CONFIG = (f"max_batch_size: 8\ndynamic_batching {{ preferred_batch_size: [ 4 ] "
          f"max_queue_delay_microseconds: 600000000 default_queue_policy {{ {QUEUE} }} }}\n")
STEPS = 8


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """`patient` lets three requests wait until there are four rows; `identity` answers at once."""
    folder = tmp_path_factory.mktemp("models")
    repository.place(folder, "patient", repository.identity(), config=CONFIG)
    repository.place(folder, "identity", repository.identity())
    with Server("--repository-settle-ms", "0", repository=folder) as server:
        yield server


def rows(count):
    return {"inputs": [{"name": "x", "shape": [count, 4], "datatype": "FP32", "data": list(range(4 * count))}]}


def ask(server, count=1, **parameters):
    body = rows(count) | ({"parameters": parameters} if parameters else {})
    status, headers, answer = server.post("/v2/models/patient/infer", body)
    return status, headers, json.loads(answer)


@contextlib.contextmanager
def waiting(server, count):
    """So many requests of one row wait meanwhile; in the end rows for a whole batch come, and all are answered."""
    answered = metric(server, "nv_inference_count")
    with concurrent.futures.ThreadPoolExecutor(count) as pool:
        asked = [pool.submit(ask, server) for _ in range(count)]
        wait_for(lambda: pending(server) == count, "the requests to wait", server)
        yield
        assert ask(server, 4 - count)[0] == 200
        for request in asked:
            status, _, answer = request.result()
            assert status == 200 and answer["outputs"][0]["data"] == [0, 1, 2, 3], answer
    assert metric(server, "nv_inference_count") - answered == 4, "nobody else was run"


def pending(server):
    return metric(server, "nv_inference_pending_request_count")


def metric(server, name, model="patient"):
    lines = [line for line in server.metrics().splitlines()
             if line.startswith(f"{name}{{") and f'"{model}"' in line]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def grpc_input():
    given = tritonclient.grpc.InferInput("x", [1, 4], "FP32")
    given.set_data_from_numpy(np.ones((1, 4), np.float32))
    return [given]


def test_a_full_queue_says_when_to_come_back(server):
    with waiting(server, 2):
        third = server.connection()
        third.request("POST", "/v2/models/patient/infer", json.dumps(rows(1)))
        wait_for(lambda: pending(server) == 3, "the queue to be full", server)
        status, headers, answer = ask(server)
        assert status == 429, answer
        assert int(headers["Retry-After"]) >= 1 and "patient" in answer["error"]
        with server.grpc() as client, pytest.raises(InferenceServerException) as caught:
            client.infer("patient", grpc_input())
        assert "RESOURCE_EXHAUSTED" in caught.value.status()
        assert server.infer("identity", rows(1))[0] == 200
        third.close()
        wait_for(lambda: pending(server) == 2, "the third to go", server)


def test_a_queue_timeout_is_504(server):
    with waiting(server, 2):
        status, _, answer = ask(server, timeout=1000)
        assert status == 504, answer
        with server.grpc() as client, pytest.raises(InferenceServerException) as caught:
            client.infer("patient", grpc_input(), timeout=1000)
        assert "DEADLINE_EXCEEDED" in caught.value.status()


def test_a_request_whose_turn_would_come_too_late_is_refused_when_it_comes_in(tmp_path):
    policy = "default_queue_policy { allow_timeout_override: true timeout_action: REJECT }"
    config = f"max_batch_size: 1\ndynamic_batching {{ {policy} }}\n"
    repository.place(tmp_path, "slow", repository.slow(STEPS), config=config)
    body = {"inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [3]}]}
    given = tritonclient.grpc.InferInput("x", [1, 1], "FP32")
    given.set_data_from_numpy(np.full((1, 1), 3, np.float32))
    with Server("--repository-settle-ms", "0", repository=tmp_path) as server, server.grpc() as client, \
            concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert client.is_server_live(), "connected before its time counts"
        begin = time.monotonic()
        assert server.infer("slow", body)[0] == 200
        one = time.monotonic() - begin
        others = [pool.submit(server.infer, "slow", body) for _ in range(4)]
        wait_for(lambda: metric(server, "nv_inference_pending_request_count", "slow") == 3, "three to wait", server)
        asked = body | {"parameters": {"timeout": int(one * 1e6)}}
        status, headers, answer = server.post("/v2/models/slow/infer", asked)
        assert status == 429 and int(headers["Retry-After"]) >= 1, answer
        assert b"rows wait before the request" in answer
        with pytest.raises(InferenceServerException) as caught:
            client.infer("slow", [given], client_timeout=one)
        assert "RESOURCE_EXHAUSTED" in caught.value.status(), caught.value
        assert [other.result()[0] for other in others] == [200] * 4, "those before are answered"
        assert server.infer("slow", asked)[0] == 200, "with nobody before it, it is let in"


def test_a_request_that_waits_beyond_its_grpc_deadline_is_not_run(server):
    with waiting(server, 2), concurrent.futures.ThreadPoolExecutor(1) as pool, server.grpc() as client:
        late = pool.submit(client.infer, "patient", grpc_input(), client_timeout=3)
        wait_for(lambda: pending(server) == 3, "the late one to wait", server)
        with pytest.raises(InferenceServerException) as caught:
            late.result()
        assert "DEADLINE_EXCEEDED" in caught.value.status()
        wait_for(lambda: pending(server) == 2, "the late one to go", server)


def test_a_client_that_leaves_takes_its_request_with_it(server):
    with waiting(server, 2):
        leaving = server.connection()
        leaving.request("POST", "/v2/models/patient/infer", json.dumps(rows(1)))
        wait_for(lambda: pending(server) == 3, "the third to wait", server)
        leaving.close()
        wait_for(lambda: pending(server) == 2, "the third to go", server)


def test_a_model_that_still_loads_says_so(tmp_path):
    warmup = ('model_warmup [ { name: "long" batch_size: 1 count: 8 inputs { key: "x" value '
              '{ data_type: TYPE_FP32 dims: [ 1 ] zero_data: true } } } ]\n')
    repository.place(tmp_path, "slow", repository.slow(STEPS), config="max_batch_size: 1\n" + warmup)
    body = {"inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [3]}]}
    with Server("--model-control-mode", "explicit", "--repository-settle-ms", "0", repository=tmp_path) as server:
        loading = threading.Thread(target=server.post, args=("/v2/repository/models/slow/load",))
        loading.start()
        wait_for(lambda: b"LOADING" in server.post("/v2/repository/index")[2], "the model to load", server)
        status, headers, answer = server.post("/v2/models/slow/infer", body)
        assert status == 503 and int(headers["Retry-After"]) >= 1, answer
        assert b"LOADING" in answer
        assert server.get("/v2/models/slow/ready")[0] != 200
        loading.join()
        assert server.infer("slow", body)[0] == 200
