"""Stopping: readiness fails first, what was taken is answered, then the process ends with 0."""
import concurrent.futures
import contextlib
import json
import signal

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

import repository
from server import Server, wait_for
from test_overload import BODY, STEPS

FOUR = 4


def start(tmp_path, *options):
    repository.place(tmp_path, "slow", repository.slow(STEPS), config="max_batch_size: 1\n")
    return Server("--repository-settle-ms", "0", *options, repository=tmp_path)


def ask_on(connection):
    connection.request("POST", "/v2/models/slow/infer", json.dumps(BODY))
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def not_ready(connection):
    with contextlib.suppress(OSError):
        connection.request("GET", "/v2/health/ready")
        response = connection.getresponse()
        response.read()
        return response.status != 200
    return True


def test_requests_in_flight_are_answered(tmp_path):
    with start(tmp_path) as server, concurrent.futures.ThreadPoolExecutor(FOUR) as pool:
        watcher = server.connection()
        watcher.connect()
        with grpc.insecure_channel(server.grpc_address) as channel:
            watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=""))
            assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
            asked = [pool.submit(ask_on, server.connection()) for _ in range(FOUR)]
            wait_for(lambda: waiting(server) >= FOUR - 2, "requests to be under way", server)
            server.signal()
            assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
            assert not all(request.done() for request in asked), "the signal came before the last answer"
            wait_for(lambda: not_ready(watcher), "readiness to fail", patience=10)
            answers = [request.result() for request in asked]
        assert [status for status, _ in answers] == [200] * FOUR, answers
        assert server.process.wait(60) == 0


def waiting(server):
    lines = [line for line in server.metrics().splitlines()
             if line.startswith("nv_inference_pending_request_count{") and '"slow"' in line]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


def test_an_idle_server_stops_at_once(tmp_path):
    for how in (signal.SIGTERM, signal.SIGINT):
        with start(tmp_path) as server:
            keep_alive = server.connection()
            keep_alive.request("GET", "/v2/health/ready")
            keep_alive.getresponse().read()
            server.process.send_signal(how)
            assert server.process.wait(15) == 0


def test_the_exit_timeout_bounds_the_wait(tmp_path):
    """What cannot be finished in time is given up."""
    server = start(tmp_path, "--exit-timeout-secs", "1")
    try:
        with concurrent.futures.ThreadPoolExecutor(32) as pool:
            asked = [pool.submit(ask_on, server.connection()) for _ in range(32)]
            wait_for(lambda: waiting(server) >= 20, "a long queue", server)
            server.signal()
            server.process.wait(20)
            failed = [request for request in asked if request.exception() or request.result()[0] != 200]
        assert failed, "thirty-two slow requests cannot all be answered in a second"
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
