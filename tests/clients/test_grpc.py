"""tritonclient over gRPC: synchronous, asynchronous, streaming, compressed."""
import asyncio
import queue

import grpc
import numpy as np
import pytest
import tritonclient.grpc as triton
import tritonclient.grpc.aio as triton_aio
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

from answers import assert_close
from test_http import VALUES

X = np.arange(8, dtype=np.float32).reshape(2, 4)


def tensor(name, value, datatype):
    given = triton.InferInput(name, list(value.shape), datatype)
    given.set_data_from_numpy(value)
    return given


def x_plus(i):
    return [tensor("x", X + i, "FP32")]


@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
def test_tensors_come_back(small, compression):
    with small.grpc() as client:
        result = client.infer("identity", x_plus(0), request_id="seven", compression_algorithm=compression)
    assert_close("y", result.as_numpy("y"), X)
    answer = result.get_response()
    assert (answer.model_name, answer.model_version, answer.id) == ("identity", "1", "seven")


def test_every_datatype_comes_back(small):
    inputs = [tensor(name, value, name) for name, value in VALUES.items()]
    with small.grpc() as client:
        result = client.infer("types", inputs)
    for name, value in VALUES.items():
        assert_close(name, result.as_numpy(f"{name}_OUT"), value)


def test_typed_contents_are_taken(small):
    request = service_pb2.ModelInferRequest(model_name="identity")
    given = request.inputs.add(name="x", datatype="FP32", shape=[2, 4])
    given.contents.fp32_contents.extend(X.ravel())
    with grpc.insecure_channel(small.grpc_address) as channel:
        answer = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request)
    output, = answer.outputs
    values = (np.frombuffer(answer.raw_output_contents[0], np.float32) if answer.raw_output_contents
              else np.array(output.contents.fp32_contents, np.float32))
    assert_close("y", values.reshape(output.shape), X)


def test_asynchronous_requests_get_their_own_answers(small):
    answers = queue.Queue()
    with small.grpc() as client:
        for i in range(64):
            client.async_infer("identity", x_plus(i), request_id=str(i),
                               callback=lambda result, error: answers.put((result, error)))
        for _ in range(64):
            result, error = answers.get(timeout=60)
            assert error is None
            assert_close("y", result.as_numpy("y"), X + int(result.get_response().id))


def test_the_asyncio_client_works(small):
    async def ask():
        async with triton_aio.InferenceServerClient(small.grpc_address) as client:
            return await asyncio.gather(*(client.infer("identity", x_plus(i)) for i in range(16)))

    for i, result in enumerate(asyncio.run(ask())):
        assert_close("y", result.as_numpy("y"), X + i)


def test_a_stream_answers_each_request_and_outlives_errors(small):
    answers = queue.Queue()
    with small.grpc() as client:
        client.start_stream(callback=lambda result, error: answers.put((result, error)))
        client.async_stream_infer("nobody", x_plus(0), request_id="wrong")
        for i in range(32):
            client.async_stream_infer("identity", x_plus(i), request_id=str(i))
        got, errors = {}, []
        for _ in range(33):
            result, error = answers.get(timeout=60)
            if error is None:
                got[int(result.get_response().id)] = result.as_numpy("y")
            else:
                errors.append(str(error))
        client.stop_stream()
    assert len(errors) == 1 and "nobody" in errors[0]
    assert sorted(got) == list(range(32))
    for i, y in got.items():
        assert_close("y", y, X + i)


def test_health_and_metadata(small):
    with small.grpc() as client:
        assert client.is_server_live() and client.is_server_ready()
        assert client.is_model_ready("identity") and client.is_model_ready("identity", "1")
        assert not client.is_model_ready("nobody")
        assert client.get_server_metadata().name == "girandole"
        model = client.get_model_metadata("identity")
        assert [(t.name, t.datatype, list(t.shape)) for t in model.inputs] == [("x", "FP32", [-1, 4])]
        assert list(client.get_model_metadata("scaled").versions) == ["1", "2"]


def test_what_is_not_built_says_so(small):
    with small.grpc() as client, pytest.raises(InferenceServerException) as caught:
        client.register_system_shared_memory("region", "/key", 64)
    assert "UNIMPLEMENTED" in str(caught.value)
