"""TLS 1.3 on both listeners, nothing older, with certificates of `girandole certs`."""
import contextlib
import socket
import ssl
import subprocess

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http

from server import BINARY, Server, wait_for
from test_grpc import X, tensor


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certs")
    subprocess.run([BINARY, "certs", folder], check=True, capture_output=True)
    return folder


def options(certificates):
    return ("--tls-cert", certificates / "server.pem", "--tls-key", certificates / "server-key.pem")


@pytest.fixture(scope="module")
def secure(small_models, certificates):
    with Server(*options(certificates), "--repository-settle-ms", "0", repository=small_models) as server:
        assert server.tls == "on"
        context = ssl.create_default_context(cafile=certificates / "ca.pem")
        wait_for(lambda: b"200 OK" in ready(server, context), "the server to be ready", server)
        yield server


def ready(server, context):
    with handshake(server.rest, context) as stream:
        stream.sendall(b"GET /v2/health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return stream.recv(4096)


def handshake(address, context, protocols=()):
    host, port = address.rsplit(":", 1)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context.wrap_socket(socket.create_connection((host, int(port)), 60), server_hostname="localhost")


def listeners(server):
    return (server.rest, ["http/1.1"]), (server.grpc_address, ["h2"])


def test_tls_1_3_is_spoken_with_alpn(secure, certificates):
    for address, protocols in listeners(secure):
        context = ssl.create_default_context(cafile=certificates / "ca.pem")
        with handshake(address, context, protocols) as stream:
            assert stream.version() == "TLSv1.3"
            assert stream.selected_alpn_protocol() == protocols[0]


def test_tls_1_2_is_refused(secure, certificates):
    for address, protocols in listeners(secure):
        context = ssl.create_default_context(cafile=certificates / "ca.pem")
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(ssl.SSLError, match="(?i)protocol.version"):
            handshake(address, context, protocols)


def test_plain_text_is_not_answered(secure):
    host, port = secure.rest.rsplit(":", 1)
    with socket.create_connection((host, int(port)), 60) as stream:
        stream.sendall(b"GET /v2 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        with contextlib.suppress(ConnectionResetError):
            answer = stream.recv(4096)
        assert not answer.startswith(b"HTTP")


def test_clients_infer_over_tls(secure, certificates):
    ca = certificates / "ca.pem"
    given = tritonclient.http.InferInput("x", list(X.shape), "FP32")
    given.set_data_from_numpy(X)
    context = lambda: ssl.create_default_context(cafile=ca)  # noqa: E731
    address = "localhost:" + secure.rest.rsplit(":", 1)[1]
    with tritonclient.http.InferenceServerClient(address, ssl=True, ssl_context_factory=context) as client:
        np.testing.assert_array_equal(client.infer("identity", [given]).as_numpy("y"), X)
    address = "localhost:" + secure.grpc_address.rsplit(":", 1)[1]
    with tritonclient.grpc.InferenceServerClient(address, ssl=True, root_certificates=str(ca)) as client:
        np.testing.assert_array_equal(client.infer("identity", [tensor("x", X, "FP32")]).as_numpy("y"), X)


def test_new_certificates_are_taken_up_without_a_restart(small_models, tmp_path):
    make = [BINARY, "certs", tmp_path, "--force"]
    subprocess.run(make, check=True, capture_output=True)
    with Server(*options(tmp_path), repository=small_models) as server:
        old = certificate(server.rest)
        subprocess.run(make, check=True, capture_output=True)
        wait_for(lambda: certificate(server.rest) != old, "the new certificate", server)
        assert certificate(server.grpc_address) == certificate(server.rest)


def certificate(address):
    context = ssl._create_unverified_context()
    with handshake(address, context) as stream:
        return stream.getpeercert(binary_form=True)


def test_a_public_address_needs_tls_or_insecure(small_models):
    command = [BINARY, "serve", "--model-repository", small_models, "--http-address", "0.0.0.0", "--http-port", "0",
               "--grpc-port", "0", "--metrics-port", "0", "--admin-port", "0"]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert refused.returncode != 0 and "--insecure" in refused.stderr
    with Server("--http-address", "0.0.0.0", "--insecure", repository=small_models):
        pass
