"""tritonclient over REST: JSON and binary, compressed, asynchronous, every datatype."""
import json

import numpy as np
import pytest
import tritonclient.http as triton

from answers import assert_close
from server import ROOT

X = np.arange(8, dtype=np.float32).reshape(2, 4)


def tensor(name, value, datatype, binary):
    given = triton.InferInput(name, list(value.shape), datatype)
    given.set_data_from_numpy(value, binary_data=binary)
    return given


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
@pytest.mark.parametrize("request_compression", [None, "gzip", "deflate"])
@pytest.mark.parametrize("response_compression", [None, "gzip", "deflate"])
def test_tensors_come_back(small, binary_in, binary_out, request_compression, response_compression):
    with small.http() as client:
        result = client.infer(
            "identity", [tensor("x", X, "FP32", binary_in)], request_id="seven",
            outputs=[triton.InferRequestedOutput("y", binary_data=binary_out)],
            request_compression_algorithm=request_compression,
            response_compression_algorithm=response_compression)
    assert_close("y", result.as_numpy("y"), X)
    answer = result.get_response()
    assert (answer["model_name"], answer["model_version"], answer["id"]) == ("identity", "1", "seven")


VALUES = {
    "BOOL": np.array([[True, False]]), "UINT8": np.array([[0, 255]], np.uint8),
    "UINT16": np.array([[0, 65535]], np.uint16), "UINT32": np.array([[0, 2**32 - 1]], np.uint32),
    "UINT64": np.array([[0, 2**64 - 1]], np.uint64), "INT8": np.array([[-128, 127]], np.int8),
    "INT16": np.array([[-32768, 32767]], np.int16), "INT32": np.array([[-2**31, 2**31 - 1]], np.int32),
    "INT64": np.array([[-2**63, 2**63 - 1]], np.int64), "FP16": np.array([[-1.5, 65504]], np.float16),
    "FP32": np.array([[-1.5, np.inf]], np.float32), "FP64": np.array([[-1e300, 2.5]], np.float64),
    "BYTES": np.array([["", "größer"]], np.object_), "BF16": np.array([[-1.5, 2.0]], np.float32),
}


@pytest.mark.parametrize("binary", [True, False])
def test_every_datatype_comes_back(small, binary):
    only_binary = {"BF16", "FP16"}  # tritonclient sends these as bytes only
    inputs = [tensor(name, value, name, binary or name in only_binary) for name, value in VALUES.items()]
    outputs = [triton.InferRequestedOutput(f"{name}_OUT", binary_data=binary or name in only_binary)
               for name in VALUES]
    with small.http() as client:
        result = client.infer("types", inputs, outputs=outputs)
    for name, value in VALUES.items():
        assert_close(name, result.as_numpy(f"{name}_OUT"), value)


def test_asynchronous_requests_get_their_own_answers(small):
    with small.http(concurrency=8) as client:
        asked = [client.async_infer("identity", [tensor("x", X + i, "FP32", True)]) for i in range(64)]
        for i, request in enumerate(asked):
            assert_close("y", request.get_result().as_numpy("y"), X + i)


def test_a_version_can_be_named(small):
    x = np.ones((1, 64), np.float32)
    with small.http() as client:
        for version, factor in (("1", 1), ("2", 2), ("", 2)):
            result = client.infer("scaled", [tensor("x", x, "FP32", True)], model_version=version)
            assert result.get_response()["model_version"] == str(factor)
            assert_close("product", result.as_numpy("product"), x * factor)


def test_only_the_outputs_asked_for_come(small):
    x = np.ones((1, 64), np.float32)
    with small.http() as client:
        result = client.infer("scaled", [tensor("x", x, "FP32", True)],
                              outputs=[triton.InferRequestedOutput("plus")])
    assert [output["name"] for output in result.get_response()["outputs"]] == ["plus"]


def test_classification_gives_the_best_classes_with_labels(examples):
    body = json.loads((ROOT / "model-repo/churn/example.json").read_text())
    body["outputs"] = [{"name": "probabilities", "parameters": {"classification": 1}}]
    status, answer = examples.infer("churn", body)
    assert status == 200, answer
    output = answer["outputs"][0]
    assert output["datatype"] == "BYTES" and output["shape"] == [2, 1]
    assert [value.split(":")[1:] for value in output["data"]] == [["1", "Yes"], ["0", "No"]]


def test_health_and_metadata(small):
    with small.http() as client:
        assert client.is_server_live() and client.is_server_ready()
        assert client.is_model_ready("identity") and client.is_model_ready("identity", "1")
        assert not client.is_model_ready("nobody")
        server = client.get_server_metadata()
        assert server["name"] == "girandole" and server["version"]
        assert "binary_tensor_data" in server["extensions"]
        model = client.get_model_metadata("identity")
        assert model["versions"] == ["1"]
        assert model["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]
        assert model["outputs"] == [{"name": "y", "datatype": "FP32", "shape": [-1, 4]}]


def test_the_openapi_document_names_the_paths(small):
    status, _, body = small.get("/openapi.json")
    document = json.loads(body)
    assert status == 200 and document["openapi"].startswith("3.")
    assert "/v2/models/{model}/infer" in {path.replace("{model_name}", "{model}").replace("{name}", "{model}")
                                          for path in document["paths"]}
