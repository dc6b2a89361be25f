"""Configuration, statistics, repository control, log and trace settings, over both protocols."""
import contextlib
import json

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import InferenceServerException

import repository
from server import Server, wait_for

X = np.ones((3, 4), np.float32)


@pytest.fixture
def explicit(tmp_path):
    repository.place(tmp_path, "one", repository.identity(), config="max_batch_size: 8\n")
    repository.place(tmp_path, "two", repository.identity())
    repository.place(tmp_path, "broken", repository.unknown_operator())
    with Server("--model-control-mode", "explicit", "--load-model", "one", "--repository-settle-ms", "0",
                "--trace-file", tmp_path / "trace.json", repository=tmp_path) as server:
        yield server


@pytest.fixture(params=["http", "grpc"])
def client(request, explicit):
    with getattr(explicit, request.param)() as client:
        yield client


def as_dict(client, call, *arguments):
    """The answer of either client as a dictionary."""
    if isinstance(client, tritonclient.grpc.InferenceServerClient):
        return getattr(client, call)(*arguments, as_json=True)
    return getattr(client, call)(*arguments)


def infer(client, model, value=X):
    module = tritonclient.grpc if isinstance(client, tritonclient.grpc.InferenceServerClient) else tritonclient.http
    given = module.InferInput("x", list(value.shape), "FP32")
    given.set_data_from_numpy(value)
    return client.infer(model, [given]).as_numpy("y")


def index(client):
    listed = as_dict(client, "get_model_repository_index")
    listed = listed if isinstance(listed, list) else listed.get("models", [])
    return {entry["name"]: entry for entry in listed}


def test_config_is_complete(client):
    config = as_dict(client, "get_model_config", "one")
    config = config.get("config", config)
    assert config["name"] == "one" and config["max_batch_size"] == 8
    assert config["input"][0]["name"] == "x" and config["input"][0]["data_type"] == "TYPE_FP32"
    assert [int(d) for d in config["input"][0]["dims"]] == [4]


def test_statistics_count_rows_and_requests(client):
    for _ in range(5):
        infer(client, "one")
    stats, = as_dict(client, "get_inference_statistics", "one")["model_stats"]
    assert int(stats["inference_count"]) == 15 and int(stats["execution_count"]) == 5
    assert int(stats["inference_stats"]["success"]["count"]) == 5
    assert int(stats["inference_stats"]["compute_infer"]["ns"]) > 0
    assert sum(int(b["compute_infer"]["count"]) for b in stats["batch_stats"]) == 5


def test_models_load_and_unload_by_request(client):
    assert index(client)["one"]["state"] == "READY"
    assert index(client)["two"].get("state", "") in ("", "UNAVAILABLE", "UNKNOWN")
    client.load_model("two")
    assert client.is_model_ready("two")
    np.testing.assert_array_equal(infer(client, "two"), X)
    client.unload_model("two")
    assert not client.is_model_ready("two")
    with pytest.raises(InferenceServerException):
        infer(client, "two")
    np.testing.assert_array_equal(infer(client, "one"), X)


def test_a_load_can_override_the_configuration(client):
    client.load_model("one", config=json.dumps({"max_batch_size": 4}))
    config = as_dict(client, "get_model_config", "one")
    assert config.get("config", config)["max_batch_size"] == 4


def test_files_of_a_load_request_are_refused(client):
    with pytest.raises(InferenceServerException) as caught:
        client.load_model("one", config="{}", files={"file:1/model.onnx": b"anything"})
    assert "files cannot be replaced" in str(caught.value)
    np.testing.assert_array_equal(infer(client, "one"), X)


def test_a_model_that_cannot_load_says_why(client):
    with pytest.raises(InferenceServerException) as caught:
        client.load_model("broken")
    assert "Frobnicate" in str(caught.value) and "the_odd_one" in str(caught.value)
    entry = index(client)["broken"]
    assert entry["state"] == "UNAVAILABLE" and "Frobnicate" in entry["reason"]


def test_an_unknown_model_cannot_load(client):
    with pytest.raises(InferenceServerException) as caught:
        client.load_model("nobody")
    assert "nobody" in str(caught.value)


def test_a_failed_reload_changes_nothing(client, tmp_path):
    repository.place(tmp_path, "one", b"not a model at all")
    with pytest.raises(InferenceServerException):
        client.load_model("one")
    np.testing.assert_array_equal(infer(client, "one"), X)


def test_log_settings_act(explicit, client):
    assert "DEBUG" not in explicit.log()
    before = as_dict(client, "get_log_settings")
    assert "log_verbose_level" in json.dumps(before)
    client.update_log_settings({"log_verbose_level": 1})
    after = json.dumps(as_dict(client, "get_log_settings"))
    assert '"log_verbose_level"' in after and after != json.dumps(before)
    infer(client, "one")
    assert "DEBUG" in explicit.log()


def test_trace_settings_act(client, tmp_path):
    client.update_trace_settings(settings={"trace_level": ["TIMESTAMPS"], "trace_rate": "1"})
    assert "TIMESTAMPS" in json.dumps(as_dict(client, "get_trace_settings"))
    infer(client, "one")
    wait_for(lambda: [entry.get("model_name") for entry in traced(tmp_path)] == ["one", None], "the request's trace")
    client.update_trace_settings(settings={"trace_level": ["TIMESTAMPS", "TENSORS"]})
    infer(client, "one")
    wait_for(lambda: len(traced(tmp_path)) == 6, "the second request's trace")
    *_, went_in, came_out = traced(tmp_path)
    assert (went_in["activity"], came_out["activity"]) == ("TENSOR_QUEUE_INPUT", "TENSOR_BACKEND_OUTPUT")
    for tensor, name in ((went_in["tensor"], "x"), (came_out["tensor"], "y")):
        assert tensor == {"name": name, "dtype": "FP32", "shape": "3,4", "data": ",".join(["1"] * 12)}
    with pytest.raises(InferenceServerException):
        client.update_trace_settings(settings={"trace_file": "/tmp/elsewhere"})


def traced(folder):
    """The trace file's objects, none while one is being written."""
    with contextlib.suppress(json.JSONDecodeError):
        return json.loads((folder / "trace.json").read_text())
    return []


def test_without_explicit_mode_nothing_is_loaded_by_request(small):
    with small.http() as client, pytest.raises(InferenceServerException) as caught:
        client.load_model("identity")
    assert "explicit" in str(caught.value)
