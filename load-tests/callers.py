#!/usr/bin/env python3
"""Throughput under concurrency against ONNX Runtime: 1, 2 and 8 callers, each of which always has one request.

    cargo build --release -p girandole-engine --example bench
    .venv/bin/python load-tests/callers.py [--cases minilm,lstm] [--callers 1,2,8]
One caller gets all threads (--threads); of several each gets one, as instance groups do. Ours are sessions of one
model, each on a thread of its own; ONNX Runtime's are threads on one session, whose run lets the others go on. In
turn, several rounds, medians; a ratio above 1 is more requests a second than ONNX Runtime. With --isa avx2 it is
ours against ours with no more than these instructions.
"""
import argparse
import concurrent.futures
import itertools
import json
import os
import pathlib
import statistics
import subprocess
import threading
import time

import engine
import engine_models

MODELS = ("churn MLP", "MiniLM", "ResNet-50", "LSTM")


def girandole(options, path, dims, callers, threads, isa=None):
    """Requests a second."""
    command = [options.binary, path, "--threads", threads, "--callers", callers, "--seconds", options.seconds]
    for name, size in dims.items():
        command += ["--dim", f"{name}={size}"]
    environment = {**os.environ, "GIRANDOLE_ISA": isa} if isa else None
    ran = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=environment, check=True)
    return json.loads(ran.stdout.splitlines()[-1])["items_per_s"]


def onnx_runtime(options, model, feed, callers):
    """Requests a second of callers that begin together."""
    begin = threading.Barrier(callers)

    def call():
        model.run(None, feed)
        begin.wait()
        since = time.perf_counter()
        for runs in itertools.count(1):
            model.run(None, feed)
            took = time.perf_counter() - since
            if runs >= 8 and took >= options.seconds:
                return runs / took

    with concurrent.futures.ThreadPoolExecutor(callers) as pool:
        return sum(each.result() for each in [pool.submit(call) for _ in range(callers)])


def rounds(options, path, dims, callers):
    """The medians of both in requests a second."""
    threads = options.threads if callers == 1 else 1
    model = engine.session(path, threads)
    feed, ours, theirs = engine.inputs(model, 1, dims), [], []
    for _ in range(options.rounds):
        ours.append(girandole(options, path, dims, callers, threads))
        if options.isa:
            theirs.append(girandole(options, path, dims, callers, threads, options.isa))
        else:
            theirs.append(onnx_runtime(options, model, feed, callers))
    return statistics.median(ours), statistics.median(theirs)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    split = lambda text: text.split(",")  # noqa: E731
    parser.add_argument("--cases", type=split, default=list(MODELS), help="names, by commas")
    parser.add_argument("--callers", type=split, default=["1", "2", "8"])
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--isa", choices=["portable", "avx2"])
    parser.add_argument("--binary", type=pathlib.Path, default=engine.ROOT / "target" / "release" / "examples" / "bench")
    parser.add_argument("--repository", type=pathlib.Path, default=engine.ROOT / "target" / "real-models")
    return parser.parse_args()


def main():
    options = arguments()
    other = options.isa or "ONNX Runtime"
    print(f"| model | callers | girandole requests/s | {other} | ratio |\n|---|---|---|---|---|")
    for name in engine.CASES:
        if not any(name.lower() == case.lower() for case in options.cases):
            continue
        model, _, sizes = engine.CASES[name]
        path = engine_models.path(model, options.repository)
        dims = dict(zip(engine.free_dimensions(engine.session(path, 1)), sizes, strict=True))
        for callers in map(int, options.callers):
            ours, theirs = rounds(options, path, dims, callers)
            print(f"| {name} | {callers} | {ours:.4g} | {theirs:.4g} | {ours / theirs:.2f} |", flush=True)


if __name__ == "__main__":
    main()
