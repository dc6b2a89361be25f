#!/usr/bin/env python3
"""Girandole beside what else could serve the same ONNX files: same models, cores and client, in turn.

    cargo build --release -p girandole -p girandole-load
    cargo build --release --manifest-path load-tests/peers/furnace/Cargo.toml
    python3 load-tests/peers/run.py --environments DIR [--peers triton,fastapi] [--models churn,minilm]
Makes an environment for each peer in DIR with what its adapter names (about 7 GB in all, of which PyTorch for
TorchServe is 5) where it is missing. The server runs on one core and the client on another. A peer's first answer is
compared with ONNX Runtime's, every later one with the first. Needs Linux, Python 3.11 and taskset; TorchServe needs
Java.
"""
import argparse
import contextlib
import importlib
import json
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import venv

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE)]
from adapters import Start  # noqa: E402
from local_server import ROOT, Process, status, wait_until  # noqa: E402

PEERS = ("girandole", "triton", "torchserve", "mlserver", "litserve", "fastapi", "furnace")
REFERENCE = ("onnxruntime==1.32.0", "numpy")  # whose answers are the right ones
SERVER_CORE, CLIENT_CORE = "0", "1"
ONCE = """
import json, sys
sys.path.insert(0, sys.argv[1])
from ort_model import Model
print(json.dumps(Model("expected", sys.argv[2]).answer(json.load(open(sys.argv[3])))))
"""


def main():
    options = arguments()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for model in options.models.split(","):
            file, body = subject(model, options, pathlib.Path(scratch))
            for _ in range(options.rounds):
                for peer in options.peers.split(","):
                    rows += measure(peer, model, file, body, options)
    pathlib.Path(options.out).write_text(json.dumps(rows, indent=1))
    print(report(rows, options))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environments", type=pathlib.Path, required=True, help="where peers are installed")
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--models", default="churn,minilm", help="churn, congestion, minilm")
    parser.add_argument("--clients", default="1,8,32")
    parser.add_argument("--seconds", type=float, default=3, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="each starts every server anew")
    parser.add_argument("--girandole", type=pathlib.Path, default=ROOT / "target/release/girandole")
    parser.add_argument("--load", type=pathlib.Path, default=ROOT / "target/release/girandole-load")
    parser.add_argument("--furnace", type=pathlib.Path, default=HERE / "furnace/target/release/furnace-peer")
    parser.add_argument("--real-models", type=pathlib.Path, default=ROOT / "target/real-models",
                        help="where tests/models/fetch.py put MiniLM")
    parser.add_argument("--out", default="peers.json")
    return parser.parse_args()


def subject(model, options, scratch):
    """A model's file, and a request's body in a file."""
    body = scratch / f"{model}.json"
    if model == "minilm":
        def tokens(name, values):
            return {"name": name, "shape": [1, 32], "datatype": "INT64", "data": values}
        inputs = [tokens("input_ids", [1000 + 37 * i for i in range(32)]), tokens("attention_mask", [1] * 32),
                  tokens("token_type_ids", [0] * 32)]
        file = options.real_models / "minilm_dynamo20/1/model.onnx"
    else:
        inputs = json.loads((ROOT / f"model-repo/{model}/example.json").read_text())["inputs"]
        for given in inputs:
            size = len(given["data"]) // given["shape"][0]
            given.update(shape=[1, *given["shape"][1:]], data=given["data"][:size])
        file = max((ROOT / f"model-repo/{model}").glob("*/model.onnx"))
    body.write_text(json.dumps({"inputs": inputs}))
    return file, body


def installed(name, packages, options):
    """An environment with these packages, made where there is none."""
    place = options.environments / name
    done = place / "installed"
    if packages and not done.exists():
        venv.create(place, with_pip=True)
        subprocess.run([place / "bin/pip", "install", "--quiet", *packages], check=True)
        done.touch()
    return place


def measure(peer, model, file, body, options):
    """A row for each number of clients; one that says why where there is nothing to measure."""
    adapter = importlib.import_module(f"adapters.{peer}")
    common = {"peer": peer, "model": model}
    if peer == "furnace" and model == "churn":
        return []
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port, *more = free_ports(3)
        environment = installed(peer, adapter.PACKAGES, options)
        binary = options.furnace if peer == "furnace" else options.girandole
        command, variables = adapter.start(Start(model, file, folder, port, tuple(more), environment, binary))
        address = f"127.0.0.1:{port}"
        log = stack.enter_context(open(folder / "log", "wb"))
        server = stack.enter_context(Process(command, SERVER_CORE, variables, cwd=folder, log=log))
        try:
            path = adapter.PATH.format(model=model)
            ready = start_time(server, f"http://{address}{adapter.READY.format(model=model)}",
                               lambda: ask(address, path, body))
            common["start_s"] = round(ready, 3)
            check(ask(address, path, body), expected(file, body, options))
            rows = [{**common, **load(server, address, path, body, int(clients), options)}
                    for clients in options.clients.split(",")]
        except (SystemExit, Wrong, subprocess.CalledProcessError) as error:
            tail = (folder / "log").read_bytes()[-1500:].decode(errors="replace")
            print(f"{peer} {model}: {error}\n{getattr(error, 'stderr', '') or tail}", file=sys.stderr)
            return [{**common, "failed": str(error)}]
    for row in rows:
        print(f"{peer} {model} {row['clients']}: {row['requests_per_s']:.0f}/s, p50 {row['p50_ms']:.2f}, "
              f"p99 {row['p99_ms']:.2f} ms", file=sys.stderr, flush=True)
    return rows


def start_time(server, health, answer):
    """Seconds until it says that it is ready, and answers."""
    def ready():
        if server.process.poll() is not None:
            raise Wrong(f"it ended with {server.process.returncode}")
        return status(health) == 200 and answer() is not None
    return wait_until(ready, "it to be ready", patience=60)


class Wrong(Exception):
    """A peer that ends, or whose first answer is not ONNX Runtime's."""


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def ask(address, path, body):
    """One answer; None where there is none."""
    request = urllib.request.Request(f"http://{address}{path}", body.read_bytes(),
                                     {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return json.load(response)
    except (OSError, urllib.error.HTTPError, ValueError):
        return None


def expected(file, body, options):
    """ONNX Runtime's own answer."""
    python = installed("reference", REFERENCE, options) / "bin/python"
    ran = subprocess.run([python, "-c", ONCE, HERE, file, body], capture_output=True, text=True, check=True)
    return json.loads(ran.stdout)


def check(came, right):
    def numbers(answer):
        return [value for output in answer["outputs"] if output["datatype"] == "FP32" for value in output["data"]]
    ours, theirs = numbers(came), numbers(right)
    if len(ours) != len(theirs) or any(abs(a - b) > 1e-3 for a, b in zip(ours, theirs)):
        raise Wrong(f"expected {theirs[:4]}..., got {ours[:4]}...")


def load(server, address, path, body, clients, options):
    before = server.holdings()
    command = [options.load, "ask", "--address", address, "--path", path, "--body", body, "--clients", clients,
               "--seconds", options.seconds, "--cores", CLIENT_CORE]
    ran = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
    after = server.holdings()
    measured = json.loads(ran.stdout)
    # The first fifth is not in the count of requests, but in the processor time.
    requests = measured["requests"] * 1.2
    return {"clients": clients, **measured, "cpu_us": 1e6 * (after.cpu_s - before.cpu_s) / max(1, requests),
            "resident_mib": after.resident_mib}


def report(rows, options):
    """Medians of the rounds, and requests a second as a part of ours: below 1 is where we are ahead."""
    lines = ["| model | server | clients | requests/s | of ours | p50 ms | p99 ms | server CPU µs | MiB | start s |",
             "|---|---|---|---|---|---|---|---|---|---|"]
    middle = lambda found, key: statistics.median(row[key] for row in found)
    for model in options.models.split(","):
        for clients in map(int, options.clients.split(",")):
            cell = lambda row: (row["peer"], row["model"], row.get("clients"))
            of = {peer: [row for row in rows if cell(row) == (peer, model, clients)]
                  for peer in options.peers.split(",")}
            for peer, found in of.items():
                if not found:
                    continue
                rate, ours = middle(found, "requests_per_s"), of.get("girandole")
                ratio = f"{rate / middle(ours, 'requests_per_s'):.2f}" if ours else "-"
                lines.append(f"| {model} | {peer} | {clients} | {rate:.0f} | {ratio} | {middle(found, 'p50_ms'):.2f} | "
                             f"{middle(found, 'p99_ms'):.2f} | {middle(found, 'cpu_us'):.0f} | "
                             f"{middle(found, 'resident_mib'):.0f} | {middle(found, 'start_s'):.2f} |")
    failed = {f"{row['peer']} {row['model']}: {row['failed']}" for row in rows if "failed" in row}
    return "\n".join([*lines, *sorted(failed)])


if __name__ == "__main__":
    main()
