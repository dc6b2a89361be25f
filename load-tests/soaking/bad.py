"""Clients that misbehave. Each holds a bounded number of connections and lets them go in the end."""
import collections
import contextlib
import json
import socket
import struct
import threading

from .repository import MODELS

BODY = (MODELS / "churn/example.json").read_bytes()
REQUEST = (f"POST /v2/models/churn/infer HTTP/1.1\r\nHost: x\r\nContent-Length: {len(BODY)}\r\n\r\n").encode() + BODY
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HELD = 32  # connections of one client at once
COUNTS = collections.Counter()
_lock = threading.Lock()


def count(what):
    with _lock:
        COUNTS[what] += 1


def connect(address, buffer=None):
    host, port = address.rsplit(":", 1)
    made = socket.socket()
    if buffer:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    made.settimeout(2)
    made.connect((host, int(port)))
    return made


def reset(connection):
    """Goes without a word: RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def held(act):
    """Opens connections by `act`, which returns one, and drops the oldest; all in the end."""
    def run(server, end, draw):
        open_ = collections.deque()
        while not end.wait(draw.uniform(0.05, 0.3)):
            with contextlib.suppress(OSError):
                open_.append(act(server, draw))
            while len(open_) > HELD:
                close(open_.popleft(), draw)
        for connection in open_:
            close(connection, draw)
    return run


def close(connection, draw):
    with contextlib.suppress(OSError):
        reset(connection) if draw.random() < 0.5 else connection.close()


@held
def half_open(server, draw):
    """Stops in the middle of a head or of a body."""
    connection = connect(draw.choice((server.rest, server.grpc)))
    connection.send(REQUEST[:draw.randrange(1, len(REQUEST))])
    count("half-open")
    return connection


@held
def slow_reader(server, draw):
    """Asks many times, and reads a few bytes of the answers or none."""
    connection = connect(server.rest, buffer=2048)
    connection.sendall(REQUEST * 40)
    connection.recv(draw.randrange(1, 64))
    count("slow readers")
    return connection


@held
def leaver(server, draw):
    """Asks, and has gone before the answer."""
    connection = connect(server.rest)
    connection.sendall(REQUEST * draw.randrange(1, 4))
    reset(connection)
    count("resets")
    return connection


@held
def garbage(server, draw):
    """Bytes that are no protocol, or the beginning of one and then none."""
    connection = connect(draw.choice((server.rest, server.grpc, server.metrics, server.admin)))
    start = draw.choice((b"", PREFACE, b"POST /v2/models/churn/infer HTTP/1.1\r\n", b"\x16\x03\x01\x02\x00\x01"))
    connection.sendall(start + draw.randbytes(draw.randrange(1, 4096)))
    count("garbage")
    return connection


@held
def nonsense(server, draw):
    """Requests that are well-formed and wrong."""
    huge = {"name": "kpis", "shape": [2 ** 62], "datatype": "FP32", "data": []}
    body = json.dumps(draw.choice(({}, [], {"inputs": []}, {"inputs": [huge]}, {"inputs": "x" * 9999})))
    path = draw.choice(("/v2/models/congestion/infer", "/v2/models/nobody/infer", "/v2/models/%2e%2e/infer"))
    connection = connect(server.rest)
    connection.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    answer = connection.recv(4096)
    if b" 200 " in answer[:20]:
        raise AssertionError(f"{body[:80]} was answered: {answer[:200]}")
    count("nonsense")
    return connection


CLIENTS = (half_open, slow_reader, leaver, garbage, nonsense)
