"""Zero downtime on one machine: two servers behind nginx, replaced one after the other under load, no request fails."""
import contextlib

import pytest

import rolling
from proxy import NGINX, Proxy
from server import wait_for

# Shorter than the chart's, so that the test is; what counts is that the proxy hears of it in this time.
PRESTOP = 1
GRACE = 2


pytestmark = pytest.mark.skipif(
    NGINX is None, reason="SKIPPED: nginx is not installed (Debian: apt-get install nginx-light)")


@pytest.mark.parametrize(("how", "prestop"), [("preStop", PRESTOP), ("readiness alone", None)])
def test_a_rolling_restart_fails_no_request(tmp_path, how, prestop):
    options = ("--shutdown-grace-secs", GRACE, "--exit-timeout-secs", "30")
    with contextlib.ExitStack() as cleanup:
        first = [rolling.start(*options) for _ in range(2)]
        for server in first:
            cleanup.callback(server.process.kill)
        proxy = Proxy(tmp_path, first)
        cleanup.callback(proxy.stop)
        wait_for(proxy.is_there, "nginx")
        endpoints = rolling.Endpoints(proxy, first)
        cleanup.callback(endpoints.stop)
        with rolling.Load(proxy) as load:
            second = []
            for old in first:
                second.append(rolling.replace(endpoints, old, prestop, *options))
                cleanup.callback(second[-1].process.kill)
            before = [load.of(kind)[0] for kind in ("REST", "gRPC")]
            wait_for(lambda: all(load.of(kind)[0] > count + 20 for kind, count in zip(("REST", "gRPC"), before)),
                     "answers from the new servers alone")
        for kind in ("REST", "gRPC"):
            answered, failures = load.of(kind)
            print(f"{how}: {kind}: {answered} answered, {len(failures)} failed")
            assert answered > 100 and not failures, (kind, answered, failures[:5], proxy.log())
        for server in second:
            assert 'nv_inference_request_success{model="churn",version="1"} 0' not in server.metrics()
            assert server.stop() == 0


def test_a_server_that_just_ends_is_counted(tmp_path):
    """The load sees what the proxy does not hide: else the tests above would show nothing."""
    with contextlib.ExitStack() as cleanup:
        servers = [rolling.start() for _ in range(2)]
        for server in servers:
            cleanup.callback(server.process.kill)
        proxy = Proxy(tmp_path, servers)
        cleanup.callback(proxy.stop)
        wait_for(proxy.is_there, "nginx")
        with rolling.Load(proxy) as load:
            servers[0].process.kill()
            wait_for(lambda: all(load.of(kind)[1] for kind in ("REST", "gRPC")), "requests to fail")
