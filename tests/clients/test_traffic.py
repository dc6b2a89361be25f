"""Labels, splits, sticky keys and rules, from traffic.toml to the answers of REST and gRPC clients."""
import collections
import json
import re
import socket

import numpy as np
import pytest
import tritonclient.grpc
from tritonclient.utils import InferenceServerException

import repository
from server import PATIENCE, Server, wait_for

X = np.ones((1, 4), np.float32)
BODY = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 1, 1, 1]}]}
TRAFFIC = """
[labels]
stable = 1
canary = 2

[[rules]]
name = "testers"
header = "X-Tester"
in = ["anna", "ben"]
to = "canary"

[[rules]]
name = "north"
parameter = "region"
prefix = "north-"
to = 3

[split]
weights = { stable = 90, canary = 10 }
sticky = [{ header = "x-subscriber-id" }, { parameter = "subscriber" }]
salt = "test"
"""


def write(folder, text):
    """Puts a traffic file in place in one step."""
    draft = folder.parent / ".traffic"
    draft.write_text(text)
    draft.replace(folder / "traffic.toml")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for version in (1, 2, 3):
        repository.place(folder, "scaled", repository.scaled(version, 4), version=version)
        repository.place(folder, "twins", repository.scaled(min(version, 2), 4), version=version)
    return folder


@pytest.fixture
def server(models):
    write(models / "scaled", TRAFFIC)
    with Server("--model-control-mode", "poll", "--repository-poll-secs", "1", "--repository-settle-ms", "0",
                repository=models) as server:
        yield server


def traffic(server):
    return json.loads(server.get("/v2/models/scaled/traffic")[2])


def rest(server, headers=(), version=None, **parameters):
    """The version by the answer's number, the version that it names, its arm and who chose."""
    versions = f"/versions/{version}" if version else ""
    body = BODY | ({"parameters": parameters} if parameters else {})
    status, got, answer = server.post(f"/v2/models/scaled{versions}/infer", body, headers)
    answer = json.loads(answer)
    assert status == 200, answer
    product = next(output for output in answer["outputs"] if output["name"] == "product")
    assert answer["model_version"] == str(int(product["data"][0])), "the version that it says"
    return int(product["data"][0]), got["girandole-arm"], got["girandole-route"]


def grpc(client, headers=None, version="", **parameters):
    given = tritonclient.grpc.InferInput("x", [1, 4], "FP32")
    given.set_data_from_numpy(X)
    result = client.infer("scaled", [given], headers=headers, model_version=version, parameters=parameters or None)
    assert result.get_response().model_version == str(int(result.as_numpy("product")[0, 0]))
    return int(result.as_numpy("product")[0, 0])


def test_a_caller_gets_the_label_or_version_that_it_names(server):
    assert rest(server, version="canary") == (2, "canary", "label")
    assert rest(server, version="stable") == (1, "stable", "label")
    assert rest(server, version="1") == (1, None, "version")
    with server.grpc() as client:
        assert grpc(client, version="canary") == 2
        assert grpc(client, version="3") == 3
        with pytest.raises(InferenceServerException) as caught:
            grpc(client, version="nobody")
    assert "NOT_FOUND" in caught.value.status() and "canary, stable" in caught.value.message()


def test_rules_come_before_the_split(server):
    assert rest(server, {"x-tester": "anna"}) == (2, "canary", "rule")
    assert rest(server, region="north-7") == (3, "3", "rule")
    assert rest(server, {"x-tester": "carl"}, region="south")[2] == "split"
    assert rest(server, {"x-tester": "anna"}, version="stable") == (1, "stable", "label")
    with server.grpc() as client:
        assert grpc(client, {"x-tester": "ben"}) == 2
        assert grpc(client, region="north-") == 3


def test_grpc_answers_say_which_way_they_went(server):
    with tritonclient.grpc.InferenceServerClient(server.grpc_address) as client:
        given = tritonclient.grpc.InferInput("x", [1, 4], "FP32")
        given.set_data_from_numpy(X)
        answers = []
        client.start_stream(callback=lambda result, error: answers.append(error or result), headers={"x-tester": "ben"})
        client.async_stream_infer("scaled", [given])
        wait_for(lambda: answers, "the stream's answer", server)
        client.stop_stream()
    parameters = answers[0].get_response().parameters
    assert parameters["girandole-arm"].string_param == "canary"
    assert parameters["girandole-route"].string_param == "rule"


def arms(server, count):
    """The arms of so many requests in a row, over one connection."""
    body = json.dumps(BODY).encode()
    request = (b"POST /v2/models/scaled/infer HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body)) + body
    at_once, counted = 500, collections.Counter()
    host, port = server.rest.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        for _ in range(count // at_once):
            connection.sendall(request * at_once)
            received = b""
            while received.count(b"model_version") < at_once:
                received += connection.recv(1 << 16)
            assert received.count(b"HTTP/1.1 200 OK") == at_once
            counted.update(re.findall(rb"girandole-arm: (\w+)", received))
    return counted


def test_the_split_is_exact(server):
    """100,000 requests are within a thousandth of the weights."""
    got = arms(server, 100_000)
    assert abs(got[b"canary"] - 10_000) <= 100 and sum(got.values()) == 100_000, got


def test_keys_stay_while_weights_stand_and_only_move_to_the_raised_arm(server, models):
    keys = [f"subscriber-{i}" for i in range(300)]

    def ask():
        return {key: rest(server, {"X-Subscriber-Id": key}) for key in keys}

    before = ask()
    assert {reason for _, _, reason in before.values()} == {"sticky"}
    assert ask() == before
    with server.grpc() as client:
        assert all(grpc(client, {"x-subscriber-id": key}) == before[key][0] for key in keys)
        assert all(grpc(client, subscriber=key) == before[key][0] for key in keys[:50]), "a parameter is as good"
    write(models / "scaled", TRAFFIC.replace("stable = 90, canary = 10", "stable = 75, canary = 25"))
    wait_for(lambda: traffic(server)["split"]["arms"][0]["weight"] == 25, "the new weights", server)
    after = ask()
    moved = {key for key in keys if before[key] != after[key]}
    assert all(before[key][1] == "stable" and after[key][1] == "canary" for key in moved)
    in_canary = [sum(arm == "canary" for _, arm, _ in answers.values()) for answers in (before, after)]
    assert 10 <= in_canary[0] <= 50 and 45 <= in_canary[1] <= 110, in_canary


def test_a_label_waits_for_its_version_and_then_moves(server, models):
    write(models / "scaled", TRAFFIC.replace("canary = 2", "canary = 4"))
    wait_for(lambda: traffic(server)["labels"]["canary"] == {"version": 2, "wanted": 4, "pending": True},
             "the label to wait", server)
    assert rest(server, version="canary") == (2, "canary", "label")
    assert 'girandole_label_pending{model="scaled",label="canary"} 1' in server.metrics()
    repository.place(models, "scaled", repository.scaled(4, 4), version=4)
    wait_for(lambda: not traffic(server)["labels"]["canary"]["pending"], "the label to move", server)
    assert rest(server, version="canary") == (4, "canary", "label")
    assert 'girandole_label_version{model="scaled",label="canary"} 4' in server.metrics()


def test_a_file_that_cannot_be_honoured_is_refused_whole(server, models):
    write(models / "scaled", TRAFFIC.replace("canary = 2", "canery = 2").replace("stable = 90", "stable = 50"))
    wait_for(lambda: traffic(server)["refused"], "the file to be refused", server)
    refused = traffic(server)
    assert "rules.testers.to: 'canary' is no version" in refused["refused"]
    assert [arm["weight"] for arm in refused["split"]["arms"]] == [10, 90]
    assert rest(server, version="canary")[0] == 2
    assert 'girandole_traffic_refused{model="scaled"} 1' in server.metrics()
    write(models / "scaled", TRAFFIC)
    wait_for(lambda: not traffic(server)["refused"], "the file to be taken", server)
    assert 'girandole_traffic_refused{model="scaled"} 0' in server.metrics()


def test_requests_are_counted_by_arm_and_reason(server):
    rest(server, version="canary")
    rest(server, {"x-tester": "anna"})
    rest(server, {"x-subscriber-id": "1"})
    metrics = server.metrics()
    for reason in ("label", "rule"):
        assert f'girandole_arm_requests_total{{model="scaled",arm="canary",reason="{reason}"}} 1' in metrics
    sticky = re.findall(r'girandole_arm_requests_total{model="scaled",arm="\w+",reason="sticky"} (\d+)', metrics)
    assert sum(map(int, sticky)) == 1
    assert 'girandole_arm_share{model="scaled",arm="canary"} 0.1' in metrics


def shadowed(server, outcome, version):
    """How many copies came to this."""
    name = f'girandole_shadow_requests_total{{model="twins",version="{version}",outcome="{outcome}"}} '
    return sum(int(line[len(name):]) for line in server.metrics().splitlines() if line.startswith(name))


@pytest.mark.parametrize("to, outcome", [(3, "agreed"), (1, "differed")])
def test_a_shadow_answers_copies_for_the_metrics_alone(server, models, to, outcome):
    """Version 2 answers; 3 is the same model and 1 another one."""
    write(models / "twins", f"[labels]\nstable = 2\n[split]\nweights = {{ stable = 1 }}\n"
                            f"[shadow]\nto = {to}\npercent = 100\n")
    wait_for(lambda: (json.loads(server.get("/v2/models/twins/traffic")[2])["shadow"] or {}).get("to") == str(to)
             and server.get(f"/v2/models/twins/versions/{to}/ready")[0] == 200, "the shadow", server)
    counted = lambda: {what: shadowed(server, what, to) for what in ("agreed", "differed", "failed", "dropped")}
    for asked in range(1, 21):
        status, answer = server.infer("twins", BODY)
        assert status == 200 and answer["model_version"] == "2", answer
        wait_for(lambda: sum(counted().values()) == asked, "the copy's end", server)
    got = counted()
    assert got[outcome] >= 1 and got[outcome] + got["dropped"] == 20, got
    assert server.infer("twins", BODY, version=to)[1]["model_version"] == str(to)
    assert sum(counted().values()) == 20, "who names a version gets no shadow"
