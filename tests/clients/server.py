"""Runs the real binary for a test: on free ports, until it is told to stop.

    with Server("--model-repository", folder) as server:
        server.get("/v2")            # (status, headers, body)
        server.http(), server.grpc() # tritonclient's clients
Leaving the block sends SIGTERM and asserts that the process ends with 0.
"""
import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import threading
import time

import tritonclient.grpc
import tritonclient.http

ROOT = pathlib.Path(__file__).parents[2]
BINARY = pathlib.Path(os.environ.get("GIRANDOLE_BINARY", ROOT / "target" / "debug" / "girandole"))
LISTENING = re.compile(r"girandole is listening: rest=(\S+) grpc=(\S+) metrics=(\S+) admin=(\S+) tls=(on|off)")
FREE_PORTS = ("--http-port", "0", "--grpc-port", "0", "--metrics-port", "0", "--admin-port", "0")
PATIENCE = 60  # seconds; other work may keep the machine busy


class Server:
    """A running `girandole serve`."""

    def __init__(self, *options, ready=True, repository=None):
        repositories = ("--model-repository", str(repository)) if repository else ()
        self.log_file = tempfile.TemporaryFile("a+")  # appending, so that reading does not move the writer
        command = [BINARY, "serve", *FREE_PORTS, *repositories, *map(str, options)]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("GIRANDOLE_")}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log_file, text=True,
                                        cwd=ROOT, env=environment)
        self.rest, self.grpc_address, self.metrics_address, self.admin_address, self.tls = self._addresses()
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        if ready and self.tls == "off":
            self.wait_until_ready()

    def _addresses(self):
        for line in self.process.stdout:
            if found := LISTENING.search(line):
                return found.groups()
        raise AssertionError(f"the server ended with {self.process.wait()} before it listened:\n{self.log()}")

    def wait_until_ready(self):
        wait_for(lambda: self.is_ready() or self.tried_all(), "the server to be ready", self)
        wait_for(self.is_ready, "the server to be ready, as all models were tried", self, patience=5)

    def is_ready(self):
        return self.get("/v2/health/ready")[0] == 200

    def tried_all(self):
        return "the repository was loaded" in self.log()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.process.kill()
            self.process.wait()
            print(f"---- the server's log\n{self.log()}")
            return
        assert self.stop() == 0, self.log()

    def signal(self):
        self.process.send_signal(signal.SIGTERM)

    def stop(self):
        """The exit code after SIGTERM."""
        if self.process.poll() is None:
            self.signal()
        return self.process.wait(PATIENCE)

    def log(self):
        self.log_file.seek(0)
        return self.log_file.read()

    def connection(self, timeout=PATIENCE):
        return http.client.HTTPConnection(self.rest, timeout=timeout)

    def request(self, method, path, body=None, headers=(), address=None):
        """Status, headers and body of a plain HTTP request."""
        connection = http.client.HTTPConnection(address or self.rest, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            return response.status, response.headers, response.read()

    def get(self, path):
        return self.request("GET", path)

    def post(self, path, body=b"", headers=()):
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        return self.request("POST", path, body, headers)

    def infer(self, model, body, version=None, headers=()):
        """Status and JSON answer of an inference in JSON."""
        versions = f"/versions/{version}" if version else ""
        status, _, answer = self.post(f"/v2/models/{model}{versions}/infer", body, headers)
        return status, json.loads(answer)

    def metrics(self):
        return self.request("GET", "/metrics", address=self.metrics_address)[2].decode()

    def http(self, **options):
        return tritonclient.http.InferenceServerClient(
            self.rest, connection_timeout=PATIENCE, network_timeout=PATIENCE, **options)

    def grpc(self, **options):
        return tritonclient.grpc.InferenceServerClient(self.grpc_address, **options)

    def resident_kib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1])


def wait_for(condition, what, server=None, patience=PATIENCE):
    """Returns once the condition holds; fails when it takes too long or the server has ended."""
    deadline = time.monotonic() + patience
    while True:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if condition():
                return
        if server is not None and server.process.poll() is not None:
            raise AssertionError(f"the server ended with {server.process.returncode}:\n{server.log()}")
        assert time.monotonic() < deadline, f"waited {patience} s for {what}\n{server.log() if server else ''}"
        time.sleep(0.02)
