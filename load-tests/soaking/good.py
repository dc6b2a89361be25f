"""Clients that behave: each asks one model over one protocol at a steady rate, and checks what it hears."""
import collections
import contextlib
import http.client
import json
import math
import threading
import time

import numpy as np
import tritonclient.grpc

from .repository import MODELS, answers, content

CHURN = json.loads((MODELS / "churn/example.json").read_text())
CHURN_ANSWER = json.loads((MODELS / "churn/expected.json").read_text())["outputs"][1]["data"]
CONGESTION = json.loads((MODELS / "congestion/example.json").read_text())
ANSWERS = answers()
KEPT = 200_000  # latencies of a client, the last ones


class Tally:
    """What everybody heard."""

    def __init__(self):
        self.lock = threading.Lock()
        self.answered = collections.Counter()
        self.took = collections.defaultdict(lambda: collections.deque(maxlen=KEPT))
        self.versions = collections.defaultdict(set)
        self.wrong, self.failed = [], []

    def right(self, name, model, version, took):
        with self.lock:
            self.answered[name] += 1
            self.took[name].append(took)
            self.versions[model].add(version)

    def note(self, where, what):
        with self.lock:
            where.append(what)

    def rows(self):
        """Name, answers, p50 and p99 of each client's kind."""
        at = lambda ordered, share: f"{1e3 * ordered[max(1, math.ceil(len(ordered) * share)) - 1]:.2f}"
        return [(name, count, at(sorted(self.took[name]), 0.5), at(sorted(self.took[name]), 0.99))
                for name, count in sorted(self.answered.items())]


class Client:
    """Asks until the end; a subclass says how."""
    name = model = None

    def __init__(self, server, tally, end):
        self.server, self.tally, self.end = server, tally, end

    def ask(self, rate):
        """Latencies count from when a request was due."""
        due = time.monotonic()
        while not self.end.is_set():
            self.once(due)
            due += 1 / rate
            self.end.wait(max(0, due - time.monotonic()))
        self.close()

    def once(self, due=None):
        due = due or time.monotonic()
        try:
            version, numbers = self.infer()
        except Exception as error:  # whatever it is, somebody who behaved was not answered
            waited = time.monotonic() - due
            self.tally.note(self.tally.failed, f"{self.name} at {time.strftime('%H:%M:%S')}, {waited:.1f} s after it "
                            f"was due: {error!r} {error}")
            return self.close()
        expected = CHURN_ANSWER if self.model == "churn" else ANSWERS[content(version)]
        if np.shape(numbers) == np.shape(expected) and np.allclose(numbers, expected, atol=1e-4):
            self.tally.right(self.name, self.model, version, time.monotonic() - due)
        else:
            self.tally.note(self.tally.wrong, f"{self.name}: version {version} answered {numbers}, expected {expected}")

    def infer(self):
        """The version that answered, and its numbers."""
        raise NotImplementedError

    def close(self):
        pass


class Rest(Client):
    body = None
    connection = None

    def infer(self):
        if self.connection is None:
            self.connection = http.client.HTTPConnection(self.server.rest, timeout=30)
        self.connection.request("POST", f"/v2/models/{self.model}/infer", self.body)
        response = self.connection.getresponse()
        text = response.read()
        if response.status != 200:
            raise RuntimeError(f"{response.status}: {text[:200]}")
        answer = json.loads(text)
        return int(answer["model_version"]), answer["outputs"][-1]["data"]

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None


class RestChurn(Rest):
    name, model, body = "REST churn", "churn", json.dumps(CHURN)


class RestForecast(Rest):
    name, model, body = "REST forecast (split)", "forecast", json.dumps(CONGESTION)


class Grpc(Client):
    client = None

    def infer(self):
        if self.client is None:
            self.client = tritonclient.grpc.InferenceServerClient(self.server.grpc)
        given = CONGESTION["inputs"][0]
        tensor = tritonclient.grpc.InferInput(given["name"], given["shape"], given["datatype"])
        tensor.set_data_from_numpy(np.array(given["data"], np.float32).reshape(given["shape"]))
        result = self.client.infer(self.model, [tensor], client_timeout=30)
        return int(result.get_response().model_version), result.as_numpy("congestion").ravel()

    def close(self):
        if self.client is not None:
            with contextlib.suppress(Exception):
                self.client.close()
        self.client = None


class GrpcCongestion(Grpc):
    name, model = "gRPC congestion (reloaded)", "congestion"


class GrpcForecast(Grpc):
    name, model = "gRPC forecast (split)", "forecast"


CLIENTS = (RestChurn, RestForecast, GrpcCongestion, GrpcForecast)
