"""Every real model through the running server: ONNX Runtime's answers, over REST and gRPC."""
import json
import pathlib
import sys

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import np_to_triton_dtype

from answers import assert_close
from server import ROOT, Server

sys.path.insert(0, str(ROOT / "tests" / "models"))
import cases  # noqa: E402

REPOSITORY = cases.REPOSITORY
LARGE = 40 << 20  # bytes of the file; --quick leaves these out
JSON_LIMIT = 20_000  # elements; larger requests are not sent as JSON
FILES = {path.parent.parent.name: path for kind in ("onnx", "safetensors")
         for path in pathlib.Path(REPOSITORY).glob(f"*/1/model.{kind}")}
NAMES = sorted(FILES)


@pytest.fixture(scope="module")
def server():
    with Server("--model-control-mode", "explicit", repository=REPOSITORY) as server:
        yield server


@pytest.fixture(scope="module", params=NAMES or [pytest.param("none", marks=pytest.mark.skip("not fetched"))])
def model(request, server):
    """One model at a time, so that memory stays small."""
    name = request.param
    size = FILES[name].stat().st_size
    if size > LARGE and request.config.getoption("--quick"):
        pytest.skip(f"{size >> 20} MB: not with --quick")
    with server.http() as client:
        client.load_model(name)
        yield name, client.get_model_config(name)["max_batch_size"]
        client.unload_model(name)


def tensors(module, inputs, **options):
    given = []
    for name, value in inputs.items():
        value = np.asarray(value)
        value = value.astype(np.object_) if value.dtype.kind in "SU" else value
        tensor = module.InferInput(name, list(value.shape), np_to_triton_dtype(value.dtype))
        tensor.set_data_from_numpy(value, **options)
        given.append(tensor)
    return given


def compare(result, expected):
    for name, value in expected.items():
        got = result.as_numpy(name)
        # Maps (ZipMap) reach clients as two tensors, keys and values; the cases hold the values.
        assert_close(name, result.as_numpy(f"{name}_values") if got is None else got, value)


def pieces(model, repository=REPOSITORY):
    """The model's cases, cut so that no batch exceeds what the server takes."""
    name, most = model
    for inputs, outputs in cases.answered(name, repository):
        rows = max((value.shape[0] for value in inputs.values() if value.ndim), default=1)
        step = most if most and rows > most else rows
        for start in range(0, rows, step):
            part = (lambda v: v[start:start + step]) if most else (lambda v: v)
            yield {k: part(v) for k, v in inputs.items()}, {k: part(v) for k, v in outputs.items()}


def test_grpc_answers_as_onnx_runtime_does(server, model):
    with server.grpc() as client:
        for inputs, expected in pieces(model):
            compare(client.infer(model[0], tensors(tritonclient.grpc, inputs)), expected)


def test_rest_answers_as_onnx_runtime_does(server, model):
    with server.http() as client:
        for inputs, expected in pieces(model):
            compare(client.infer(model[0], tensors(tritonclient.http, inputs, binary_data=True)), expected)


def test_json_answers_as_onnx_runtime_does(server, model):
    small = [(i, o) for i, o in pieces(model) if sum(np.size(v) for v in (*i.values(), *o.values())) < JSON_LIMIT]
    if not small:
        pytest.skip("too large for JSON")
    with server.http() as client:
        names = [output["name"] for output in client.get_model_metadata(model[0])["outputs"]]
        for inputs, expected in small:
            outputs = [tritonclient.http.InferRequestedOutput(name, binary_data=False) for name in names]
            given = tensors(tritonclient.http, inputs, binary_data=False)
            compare(client.infer(model[0], given, outputs=outputs), expected)


def test_rows_of_strangers_share_a_batch(server, model):
    """Single rows asked for at once: each gets its own, whatever batch it travelled in."""
    name, most = model
    if most <= 1:
        pytest.skip("the model does not batch")
    inputs, expected = max(pieces(model), key=lambda case: len(next(iter(case[0].values()))))
    rows = len(next(iter(inputs.values())))
    with server.http(concurrency=16) as client:
        asked = []
        for row in range(rows):
            one = {key: value[row:row + 1] for key, value in inputs.items()}
            asked.append(client.async_infer(name, tensors(tritonclient.http, one, binary_data=True)))
        for row, request in enumerate(asked):
            compare(request.get_result(), {key: value[row:row + 1] for key, value in expected.items()})


def test_all_models_were_fetched():
    expected = json.loads((REPOSITORY / ".fetched.json").read_text()) if (REPOSITORY / ".fetched.json").exists() else {}
    if not expected:
        pytest.skip("no real models: python3 tests/models/fetch.py makes them")
    assert sorted(expected) == NAMES
