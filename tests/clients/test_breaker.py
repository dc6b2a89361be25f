"""A version that keeps failing is taken out of the traffic, and what answers in its place says so."""
import datetime
import json
import re

import grpc
import numpy as np
import pytest
from tritonclient.grpc import InferInput, service_pb2, service_pb2_grpc

import repository
from server import Server, wait_for

POLL = ("--model-control-mode", "poll", "--repository-poll-secs", "1", "--repository-settle-ms", "0")


def body(number):
    return {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [number] * 4}]}


def ask(server, model="m", number=1, version=None):
    """Status, and for answers the version and why that one."""
    versions = f"/versions/{version}" if version else ""
    status, headers, answer = server.post(f"/v2/models/{model}{versions}/infer", body(number))
    if status != 200:
        return status, headers.get("Retry-After"), answer.decode()
    return status, json.loads(answer)["model_version"], headers["girandole-route"]


def ask_over_grpc(server, model="m"):
    """The version, and why that one."""
    tensor = InferInput("x", [1, 4], "FP32")
    tensor.set_data_from_numpy(np.ones((1, 4), np.float32))
    request = service_pb2.ModelInferRequest(model_name=model, inputs=[tensor._get_tensor()],
                                            raw_input_contents=[tensor._get_content()])
    with grpc.insecure_channel(server.grpc_address) as channel:
        answer, call = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer.with_call(request)
    return answer.model_version, dict(call.initial_metadata())["girandole-route"]


def tripped(server, model, version):
    name = rf'^girandole_version_tripped\{{model="{model}",version="{version}"\}} (\d)$'
    return re.search(name, server.metrics(), re.M)[1] == "1"


def index(server, model, version):
    entries = json.loads(server.post("/v2/repository/index", {})[2])
    return next(entry for entry in entries if entry["name"] == model and entry["version"] == str(version))


def breakers(server, model):
    return json.loads(server.get(f"/v2/models/{model}/traffic")[2])["circuit_breakers"]


def now():
    return datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)


@pytest.fixture
def server(tmp_path):
    repository.place(tmp_path, "m", repository.scaled(1, 4))
    repository.place(tmp_path, "m", repository.hungry(4), version=2)
    with Server(*POLL, repository=tmp_path) as server:
        yield server


def test_the_last_good_version_answers_until_the_failing_one_is_repaired(server, tmp_path):
    assert ask(server, number=0) == (200, "2", "newest")
    closed = {"state": "closed", "since": None, "reason": None, "next_trial": None}
    assert breakers(server, "m") == {"2": closed}
    for _ in range(4):
        status, retry_after, why = ask(server)
        assert status == 503 and retry_after, why
    wait_for(lambda: ask(server) == (200, "1", "fallback"), "version 1 to be brought back", server)
    assert ask_over_grpc(server) == ("1", "fallback")
    assert ask(server, version=2)[0] == 503, "who names it gets it"
    shown = index(server, "m", 2)
    assert shown["state"] == "READY" and "taken out of the traffic: 4 of its last 5 runs failed" in shown["reason"]
    out = breakers(server, "m")
    assert out["1"] == closed and (out["2"]["state"], out["2"]["reason"]) == ("open", shown["reason"])
    since, next_trial = (datetime.datetime.strptime(out["2"][key], "%Y-%m-%dT%H:%M:%S.%fZ")
                         for key in ("since", "next_trial"))
    assert next_trial - since == datetime.timedelta(seconds=10)
    assert datetime.timedelta() <= now() - since < datetime.timedelta(minutes=10)
    assert tripped(server, "m", 2) and not tripped(server, "m", 1) and server.is_ready()
    assert "a version keeps failing" in server.log()
    repository.place(tmp_path, "m", repository.scaled(2, 4), version=2)
    wait_for(lambda: ask(server) == (200, "2", "newest"), "the repaired version", server)
    assert not tripped(server, "m", 2) and index(server, "m", 2)["reason"] == ""
    assert ask_over_grpc(server) == ("2", "newest")


def test_what_callers_send_wrongly_takes_nothing_out(server, tmp_path):
    repository.place(tmp_path, "picky", repository.scaled(1, 4))
    repository.place(tmp_path, "picky", repository.failing(4), version=2)
    wait_for(lambda: ask(server, "picky", number=0) == (200, "2", "newest"), "the model", server)
    assert {ask(server, "picky", number=5)[0] for _ in range(20)} == {400}
    assert ask(server, "picky", number=0) == (200, "2", "newest") and not tripped(server, "picky", 2)
