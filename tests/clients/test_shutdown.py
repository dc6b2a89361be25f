"""Stopping: readiness fails first, what was taken is answered or cut off in time, and the exit code says which."""
import concurrent.futures
import json
import signal
import time

import grpc
import numpy as np
import tritonclient.grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

import repository
from server import Server, wait_for
from test_overload import metric, pending, rows

FOUR = 4


def start(tmp_path, delay, *options):
    """A server of `patient`, whose requests wait for company for so many seconds, whatever the machine does."""
    config = f"max_batch_size: 8\ndynamic_batching {{ max_queue_delay_microseconds: {delay * 1000000} }}\n"
    repository.place(tmp_path, "patient", repository.identity(), config=config)
    return Server("--repository-settle-ms", "0", *options, repository=tmp_path)


def ask_on(connection, model="patient", body=rows(1)):
    connection.request("POST", f"/v2/models/{model}/infer", json.dumps(body))
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def cut_off(request):
    """Whether a request failed, or never came back."""
    return request.exception() is not None or request.result()[0] != 200


def test_requests_in_flight_are_answered(tmp_path):
    with start(tmp_path, 3) as server, concurrent.futures.ThreadPoolExecutor(FOUR) as pool:
        with grpc.insecure_channel(server.grpc_address) as channel:
            watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=""))
            assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
            asked = [pool.submit(ask_on, server.connection()) for _ in range(FOUR)]
            wait_for(lambda: pending(server) == FOUR, "requests to be under way", server)
            server.signal()
            assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
            answers = [request.result() for request in asked]
        assert [status for status, _ in answers] == [200] * FOUR, answers
        assert server.process.wait(60) == 0


def test_an_idle_server_stops_at_once(tmp_path):
    for how in (signal.SIGTERM, signal.SIGINT):
        with start(tmp_path, 0) as server:
            keep_alive = server.connection()
            keep_alive.request("GET", "/v2/health/ready")
            keep_alive.getresponse().read()
            server.process.send_signal(how)
            assert server.process.wait(15) == 0


def test_what_cannot_be_answered_in_time_is_cut_off(tmp_path):
    server = start(tmp_path, 600, "--exit-timeout-secs", "2")
    try:
        with concurrent.futures.ThreadPoolExecutor(FOUR) as pool, server.grpc() as client:
            asked = [pool.submit(ask_on, server.connection()) for _ in range(FOUR - 1)]
            given = tritonclient.grpc.InferInput("x", [1, 4], "FP32")
            given.set_data_from_numpy(np.ones((1, 4), np.float32))
            asked.append(pool.submit(client.infer, "patient", [given]))
            wait_for(lambda: pending(server) == FOUR, "requests to be under way", server)
            assert server.stop() == 1
            assert all(cut_off(request) for request in asked)
        assert f"{FOUR} were cut off, --exit-timeout-secs was too short" in server.log()
    finally:
        server.process.kill()


def test_a_batch_that_runs_does_not_hold_the_end(tmp_path):
    """The exit timeout counts from the signal to the end of the process, whatever a session still does."""
    timeout = 4
    repository.place(tmp_path, "endless", repository.endless(), config="max_batch_size: 1\n")
    server = Server("--repository-settle-ms", "0", "--exit-timeout-secs", timeout, repository=tmp_path)
    body = {"inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [5_000_000]}]}
    try:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            asked = pool.submit(ask_on, server.connection(), "endless", body)
            wait_for(lambda: metric(server, "girandole_running_batches", "endless") == 1, "it to run", server)
            begin = time.monotonic()
            assert server.stop() == 1, server.log()
            assert time.monotonic() - begin < 2 * timeout
            assert cut_off(asked)
    finally:
        server.process.kill()


def test_readiness_fails_before_requests_do(tmp_path):
    """Balancers see that the server goes while it still answers."""
    repository.place(tmp_path, "identity", repository.identity())
    body = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]}
    with Server("--repository-settle-ms", "0", "--shutdown-grace-secs", "5", repository=tmp_path) as server:
        server.signal()
        wait_for(lambda: server.get("/v2/health/ready")[0] == 503, "readiness to fail", server)
        assert server.get("/v2/health/live")[0] == 200
        assert server.infer("identity", body)[0] == 200


def test_a_signal_right_after_the_start_is_a_graceful_end_too(tmp_path):
    repository.place(tmp_path, "identity", repository.identity())
    for _ in range(5):
        server = Server(ready=False, repository=tmp_path)
        assert server.stop() == 0, server.log()
