"""A rolling restart on one machine, in the steps in which Kubernetes takes them, under load that counts every failure.

`Endpoints` is what Kubernetes' controllers are: it watches readiness and tells the proxy who gets requests. A pod that
is to end leaves at once; its preStop lets the proxy hear of that, then it gets SIGTERM, and its successor serves before.
"""
import contextlib
import dataclasses
import json
import threading

import numpy as np
import tritonclient.grpc
from tritonclient.utils import InferenceServerException

from chart import ROOT
from server import PATIENCE, Server, wait_for

LOOK_EVERY = 0.1  # seconds
EXAMPLE = ROOT / "model-repo" / "churn" / "example.json"


class Endpoints:
    """Tells the proxy which servers are ready and are not about to end."""

    def __init__(self, proxy, servers):
        self.proxy, self.servers, self.told = proxy, list(servers), list(servers)
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()

    def _watch(self):
        while not self.ended.wait(LOOK_EVERY):
            ready = [server for server in list(self.servers) if is_ready(server)]
            if ready and ready != self.told:
                self.proxy.use(ready)
                self.told = ready

    def add(self, server):
        self.servers.append(server)
        wait_for(lambda: server in self.told, "the new server to be told of", server)

    def leave(self, server):
        self.servers.remove(server)

    def forget(self, server):
        if server in self.servers:
            self.servers.remove(server)

    def stop(self):
        self.ended.set()
        self.thread.join()


def is_ready(server):
    with contextlib.suppress(OSError):
        return server.is_ready()
    return False


@dataclasses.dataclass
class Tally:
    """What came of the requests of one kind."""
    answered: int = 0
    failures: list = dataclasses.field(default_factory=list)


class Load:
    """Callers that ask one request after the other, over REST and gRPC, until it is left."""

    def __init__(self, proxy, callers=2):
        self.proxy, self.ended = proxy, threading.Event()
        self.tallies = [("REST", Tally()) for _ in range(callers)] + [("gRPC", Tally()) for _ in range(callers)]
        ask = {"REST": self._rest, "gRPC": self._grpc}
        self.threads = [threading.Thread(target=ask[kind], args=(tally,)) for kind, tally in self.tallies]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        wait_for(lambda: all(tally.answered for _, tally in self.tallies), "the first answers")
        return self

    def __exit__(self, *_):
        self.ended.set()
        for thread in self.threads:
            thread.join()

    def of(self, kind):
        """How many were answered, and what failed."""
        tallies = [tally for name, tally in self.tallies if name == kind]
        return sum(tally.answered for tally in tallies), [failure for tally in tallies for failure in tally.failures]

    def _rest(self, tally):
        body = EXAMPLE.read_bytes()
        while not self.ended.is_set():
            try:
                # A connection for each: a reload of nginx closes idle ones, whoever is behind it.
                with contextlib.closing(self.proxy.rest(PATIENCE)) as connection:
                    connection.request("POST", "/v2/models/churn/infer", body)
                    response = connection.getresponse()
                    answer = response.read()
                    assert response.status == 200 and json.loads(answer)["outputs"], (response.status, answer)
                tally.answered += 1
            except Exception as failure:  # whatever it is, it is a failed request
                tally.failures.append(repr(failure))

    def _grpc(self, tally):
        kpis = tritonclient.grpc.InferInput("kpis", [1, 60, 16], "FP32")
        kpis.set_data_from_numpy(np.zeros((1, 60, 16), np.float32))
        with tritonclient.grpc.InferenceServerClient(self.proxy.grpc) as client:
            while not self.ended.is_set():
                try:
                    assert client.infer("congestion", [kpis], client_timeout=PATIENCE).as_numpy("congestion") is not None
                    tally.answered += 1
                except InferenceServerException as failure:
                    tally.failures.append(repr(failure))


def start(*options):
    return Server("--model-control-mode", "none", *options, repository=ROOT / "model-repo")


def replace(endpoints, old, prestop, *options):
    """One pod by another: the new one serves before the old one leaves. `prestop` None leaves it to readiness alone."""
    new = start(*options)
    endpoints.add(new)
    if prestop is not None:
        endpoints.leave(old)
        threading.Event().wait(prestop)
    status = old.stop()
    endpoints.forget(old)
    assert status == 0, old.log()
    return new
