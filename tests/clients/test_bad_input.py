"""What a client can get wrong: the status, a message that helps, and nobody else is disturbed."""
import gzip
import json
import struct
import threading

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

import repository
from server import Server, wait_for
from test_http import VALUES

GOOD = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server with a small body limit, and a second client whose good requests must all succeed meanwhile."""
    folder = tmp_path_factory.mktemp("models")
    repository.place(folder, "identity", repository.identity(), config="max_batch_size: 8\n")
    repository.place(folder, "broken", repository.unknown_operator())
    with Server("--max-request-bytes", "100000", "--repository-settle-ms", "0", ready=False,
                repository=folder) as server:
        server_is_up(server)
        stop, outcomes = threading.Event(), []
        bystander = threading.Thread(target=keep_asking, args=(server, stop, outcomes))
        bystander.start()
        yield server
        wait_for(lambda: len(outcomes) > 10, "the second client's answers", server)
        stop.set()
        bystander.join()
        assert set(outcomes) == {200}, f"{len(outcomes)}: {set(outcomes)}"


def server_is_up(server):
    wait_for(lambda: server.get("/v2/models/identity/ready")[0] == 200, "the model to be ready", server)


def keep_asking(server, stop, outcomes):
    while not stop.is_set():
        outcomes.append(server.infer("identity", GOOD)[0])


def changed(**fields):
    return {"inputs": [GOOD["inputs"][0] | fields]}


def deep(levels):
    return ('{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":' + "[" * levels + "1" + "]" * levels
            + "}]}")


REST = [
    ("wrong input name", changed(name="z"), 400, ["'z'", "'x'"]),
    ("missing input", {"inputs": []}, 400, ["x"]),
    ("no inputs at all", {}, 400, ["inputs"]),
    ("duplicate input", {"inputs": GOOD["inputs"] * 2}, 400, ["'x'", "twice"]),
    ("wrong datatype", changed(datatype="INT64"), 400, ["FP32", "INT64"]),
    ("unknown datatype", changed(datatype="FP31"), 400, ["FP31"]),
    ("wrong rank", changed(shape=[4]), 400, ["x", "[-1,4]", "[4]"]),
    ("wrong dimension", changed(shape=[2, 3], data=[1] * 6), 400, ["[-1,4]", "[2,3]"]),
    ("negative dimension", changed(shape=[-1, 4]), 400, ["-1"]),
    ("too few values", changed(data=[1, 2, 3]), 400, ["3", "4"]),
    ("too many values", changed(data=[1, 2, 3, 4, 5]), 400, ["4"]),
    ("sizes that overflow", changed(shape=[2**32, 2**32, 2**32]), 400, ["4294967296", "more elements"]),
    ("a huge size", changed(shape=[2**62, 4]), 400, ["more elements"]),
    ("a string for a number", changed(data=["one", 2, 3, 4]), 400, ["element 0", "FP32", "one"]),
    ("a batch above the limit", changed(shape=[9, 4], data=[0] * 36), 413, ["9", "max_batch_size", "8"]),
    ("an empty batch", changed(shape=[0, 4], data=[]), 400, ["row"]),
    ("unknown output", GOOD | {"outputs": [{"name": "z"}]}, 400, ["'z'", "'y'"]),
    ("not JSON", "{", 400, []),
    ("an empty body", "", 400, []),
    ("a JSON array", "[]", 400, []),
    ("deep JSON", deep(50_000 // 2), 400, []),
    ("not UTF-8", b'{"id":"\xff\xfe","inputs":[]}', 400, []),
    ("a body above the limit", b" " * 100_001, 413, ["100000"]),
]


@pytest.mark.parametrize("body, status, words", [case[1:] for case in REST], ids=[case[0] for case in REST])
def test_rest_says_what_is_wrong(server, body, status, words):
    got, answer = server.infer("identity", body)
    assert got == status, answer
    assert list(answer) == ["error"]
    for word in words:
        assert word in answer["error"], answer["error"]
    harmless(answer["error"])


def harmless(message):
    """Nothing of the machine's insides."""
    for leak in ("/tmp/", "/root/", ".rs:", "panicked", "0x"):
        assert leak not in message, message


PATHS = [
    ("an unknown model", "/v2/models/nobody/infer", 404, "nobody"),
    ("an unknown version", "/v2/models/identity/versions/7/infer", 404, "7"),
    ("a version that is no number", "/v2/models/identity/versions/x/infer", 404, ""),
    ("a version that overflows", "/v2/models/identity/versions/99999999999999999999999/infer", 404, ""),
    ("a path as a name", "/v2/models/..%2f..%2fetc%2fpasswd/infer", 400, "model name"),
    ("dots as a name", "/v2/models/../infer", 400, "model name"),
    ("dots in a row", "/v2/models/%2e%2e/infer", 400, "model name"),
    ("a zero byte in a name", "/v2/models/iden%00tity/infer", 400, "model name"),
    ("a name that is not UTF-8", "/v2/models/%ff%fe/infer", 400, ""),
    ("a very long name", f"/v2/models/{'a' * 5000}/infer", 400, "model name"),
    ("an unknown path", "/v3/anything", 404, ""),
    ("a model that does not serve", "/v2/models/broken/infer", 503, "Frobnicate"),
]


@pytest.mark.parametrize("path, status, word", [case[1:] for case in PATHS], ids=[case[0] for case in PATHS])
def test_paths_lead_nowhere_but_to_models(server, path, status, word):
    got, headers, body = server.post(path, GOOD)
    assert got == status, body
    message = json.loads(body)["error"]
    assert word in message and len(message) < 1000
    harmless(message)
    if got == 503:
        assert int(headers["Retry-After"]) >= 1


def test_the_wrong_verb_is_405(server):
    status, headers, _ = server.get("/v2/models/identity/infer")
    assert status == 405 and "POST" in headers["Allow"]


def binary(sizes, payload, shape=(1, 4), header_length=None):
    """A request with binary tensor data, as a broken client might send it."""
    head = json.dumps({"inputs": [{"name": "x", "shape": shape, "datatype": "FP32",
                                   "parameters": {"binary_data_size": size}} for size in sizes]}).encode()
    length = len(head) if header_length is None else header_length
    return head + payload, {"Inference-Header-Content-Length": str(length)}


BINARY = [
    ("too short", binary([16], b"\0" * 12), "16"),
    ("too long", binary([16], b"\0" * 20), "4 bytes of binary data belong to no input"),
    ("a size that does not fit the shape", binary([12], b"\0" * 12), "12"),
    ("a negative size", binary([-16], b"\0" * 16), "binary_data_size"),
    ("a huge size", binary([2**63], b"\0" * 16), "binary_data_size"),
    ("a header longer than the body", binary([16], b"\0" * 16, header_length=10**6), "1000000"),
    ("a header that ends inside the JSON", binary([16], b"\0" * 16, header_length=10), ""),
    ("a header that is no number", (b"{}", {"Inference-Header-Content-Length": "ten"}), "Inference-Header"),
]


@pytest.mark.parametrize("request_, word", [case[1:] for case in BINARY], ids=[case[0] for case in BINARY])
def test_binary_bodies_are_checked(server, request_, word):
    body, headers = request_
    status, _, answer = server.post("/v2/models/identity/infer", body, headers)
    assert status == 400, answer
    assert word.lower() in json.loads(answer)["error"].lower(), answer


def test_a_compressed_body_counts_by_what_it_unpacks_to(server):
    bomb = gzip.compress(b" " * 50_000_000)
    assert len(bomb) < 100_000
    status, _, answer = server.post("/v2/models/identity/infer", bomb, {"Content-Encoding": "gzip"})
    assert status == 413, answer


def test_a_body_that_is_not_what_its_encoding_says(server):
    status, _, answer = server.post("/v2/models/identity/infer", b"plain", {"Content-Encoding": "gzip"})
    assert status == 400, answer
    status, _, answer = server.post("/v2/models/identity/infer", b"plain", {"Content-Encoding": "snappy"})
    assert status in (400, 415), answer


def message(**fields):
    request = service_pb2.ModelInferRequest(model_name=fields.pop("model", "identity"),
                                            model_version=fields.pop("version", ""))
    for given in fields.pop("inputs", [{}]):
        request.inputs.add(**{"name": "x", "datatype": "FP32", "shape": [1, 4]} | given)
    request.raw_input_contents.extend(fields.pop("raw", [np.zeros(4, np.float32).tobytes()]))
    assert not fields
    return request


GRPC = [
    ("wrong input name", message(inputs=[{"name": "z"}]), "INVALID_ARGUMENT", "'z'"),
    ("missing input", message(inputs=[], raw=[]), "INVALID_ARGUMENT", "x"),
    ("duplicate input", message(inputs=[{}, {}], raw=[b"\0" * 16] * 2), "INVALID_ARGUMENT", "twice"),
    ("wrong datatype", message(inputs=[{"datatype": "INT32"}]), "INVALID_ARGUMENT", "FP32"),
    ("unknown datatype", message(inputs=[{"datatype": "FP31"}]), "INVALID_ARGUMENT", "FP31"),
    ("wrong rank", message(inputs=[{"shape": [4]}]), "INVALID_ARGUMENT", "[4]"),
    ("negative dimension", message(inputs=[{"shape": [-1, 4]}]), "INVALID_ARGUMENT", "-1"),
    ("sizes that overflow", message(inputs=[{"shape": [2**62, 2**62]}]), "INVALID_ARGUMENT", "x"),
    ("truncated contents", message(raw=[b"\0" * 15]), "INVALID_ARGUMENT", "15"),
    ("no contents", message(raw=[]), "INVALID_ARGUMENT", "x"),
    ("too many contents", message(raw=[b"\0" * 16] * 2), "INVALID_ARGUMENT", "2"),
    ("a batch above the limit", message(inputs=[{"shape": [9, 4]}], raw=[b"\0" * 144]), "RESOURCE_EXHAUSTED", "8"),
    ("an unknown model", message(model="nobody"), "NOT_FOUND", "nobody"),
    ("a path as a name", message(model="../identity"), "INVALID_ARGUMENT", "model name"),
    ("an unknown version", message(version="7"), "NOT_FOUND", "7"),
    ("a model that does not serve", message(model="broken"), "UNAVAILABLE", "Frobnicate"),
    ("a message above the limit", message(raw=[b"\0" * 200_000]), "RESOURCE_EXHAUSTED|OUT_OF_RANGE", ""),
]


@pytest.mark.parametrize("request_, code, word", [case[1:] for case in GRPC], ids=[case[0] for case in GRPC])
def test_grpc_says_what_is_wrong(server, request_, code, word):
    with grpc.insecure_channel(server.grpc_address) as channel, pytest.raises(grpc.RpcError) as caught:
        service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request_)
    assert caught.value.code().name in code.split("|"), caught.value
    assert word in caught.value.details(), caught.value.details()
    harmless(caught.value.details())


def test_broken_byte_strings_are_refused(small):
    """BYTES elements carry their lengths; these lie."""
    request = service_pb2.ModelInferRequest(model_name="types")
    payload = {"BYTES": struct.pack("<I", 4_000_000_000) + b"ab" + struct.pack("<I", 0)}
    for name, value in VALUES.items():
        request.inputs.add(name=name, datatype=name, shape=list(value.shape))
        size = {"BOOL": 1, "BF16": 2}.get(name, value.dtype.itemsize)
        request.raw_input_contents.append(payload.get(name, b"\0" * size * value.size))
    with grpc.insecure_channel(small.grpc_address) as channel, pytest.raises(grpc.RpcError) as caught:
        service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request)
    assert caught.value.code().name == "INVALID_ARGUMENT" and "BYTES" in caught.value.details()
