#!/usr/bin/env python3
"""The engine against ONNX Runtime: the same file, inputs and threads, in turn, several rounds.

    cargo build --release && .venv/bin/python load-tests/engine.py [--cases minilm,lstm] [--threads 1,2] [--rounds 5]
Prints the medians of the rounds in milliseconds and their ratio (below 1: faster than ONNX Runtime), and the geometric
mean of the ratios for each number of threads. A round is one `girandole bench` process and as long a run of ONNX
Runtime, one right after the other. Ours is the whole way from the wire's bytes through a session and back.
"""
import argparse
import json
import math
import pathlib
import statistics
import subprocess
import time

import numpy as np
import onnxruntime

import engine_models

ROOT = pathlib.Path(__file__).parents[1]
CASES = {  # name: (model, batches, sizes of its free dimensions besides the batch, in order)
    "churn MLP": ("mlp_dynamo20", (1, 64, 1024), ()),
    "LSTM": ("lstm_dynamo20", (1, 32), (60,)),
    "MiniLM": ("minilm_dynamo20", (1, 8), (128,)),
    "ResNet-50": ("resnet50_dynamo20", (1, 4), ()),
    "MobileNetV3": ("mobilenetv3_dynamo20", (1, 8), ()),
    "boosted trees": ("boosted_trees", (1, 256), ()),
    "PP-OCR detector": ("rapidocr_det", (1,), (640, 640)),
    "MiniLM int8": ("minilm_int8", (1, 8), (128,)),
}
TYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(int32)": np.int32}


def session(path, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def free_dimensions(model):
    """The names of the free dimensions besides the batch, in the order in which the inputs have them."""
    names = [d for node in model.get_inputs() for d in node.shape[1:] if not isinstance(d, int)]
    return list(dict.fromkeys(names))


def inputs(model, batch, dims):
    """Values for every input: ones for integers, noise for the rest."""
    rng = np.random.default_rng(20)
    made = {}
    for node in model.get_inputs():
        shape = [batch, *(dims.get(d, d) for d in node.shape[1:])]
        kind = TYPES[node.type]
        made[node.name] = (np.ones(shape, kind) if np.issubdtype(kind, np.integer)
                           else rng.standard_normal(shape).astype(kind))
    return made


def onnx_runtime_ms(model, feed, seconds):
    for _ in range(3):
        model.run(None, feed)
    took, until = [], time.perf_counter() + seconds
    while time.perf_counter() < until:
        begin = time.perf_counter()
        model.run(None, feed)
        took.append(time.perf_counter() - begin)
    return statistics.median(took) * 1e3


def girandole_ms(options, path, batch, dims, threads):
    command = [options.binary, "bench", path, "--batch", str(batch), "--threads", str(threads), "--device", "cpu",
               "--seconds", str(options.seconds), "--json"]
    for name, size in dims.items():
        command += ["--dim", f"{name}={size}"]
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{ran.stderr}")
    return json.loads(ran.stdout.splitlines()[-1])["p50_ms"]


def ratio(options, path, batch, sizes, threads):
    """The medians of both and how the first relates to the second."""
    model = session(path, threads)
    dims = dict(zip(free_dimensions(model), sizes, strict=True))
    feed, ours, theirs = inputs(model, batch, dims), [], []
    for _ in range(options.rounds):
        ours.append(girandole_ms(options, path, batch, dims, threads))
        theirs.append(onnx_runtime_ms(model, feed, options.seconds))
    ours, theirs = statistics.median(ours), statistics.median(theirs)
    return ours, theirs, ours / theirs


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    split = lambda text: text.split(",")  # noqa: E731
    parser.add_argument("--cases", type=split, default=list(CASES), help="names or the beginnings of names")
    parser.add_argument("--threads", type=split, default=["1", "2"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "target" / "release" / "girandole")
    parser.add_argument("--repository", type=pathlib.Path, default=ROOT / "target" / "real-models")
    return parser.parse_args()


def main():
    options = arguments()
    wanted = [name for name in CASES if any(name.lower().startswith(case.lower()) for case in options.cases)]
    print("| model | batch | threads | girandole ms | ONNX Runtime ms | ratio |\n|---|---|---|---|---|---|")
    ratios = {threads: [] for threads in map(int, options.threads)}
    for name in wanted:
        model, batches, sizes = CASES[name]
        path = engine_models.path(model, options.repository)
        for batch in batches:
            for threads, all_ratios in ratios.items():
                ours, theirs, each = ratio(options, path, batch, sizes, threads)
                all_ratios.append(each)
                print(f"| {name} | {batch} | {threads} | {ours:.4g} | {theirs:.4g} | {each:.2f} |", flush=True)
    for threads, all_ratios in ratios.items():
        mean = math.exp(statistics.fmean(map(math.log, all_ratios)))
        print(f"\n{threads} threads: geometric mean {mean:.2f}, highest {max(all_ratios):.2f}, "
              f"ONNX Runtime {onnxruntime.__version__}")


if __name__ == "__main__":
    main()
