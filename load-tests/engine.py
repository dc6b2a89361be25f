#!/usr/bin/env python3
"""The engine against ONNX Runtime: the same models, batches and threads, in turn, several rounds.

    cargo build --release
    .venv/bin/python load-tests/engine.py [--models a,b] [--batch 1,8] [--threads 2] [--rounds 5]
Prints the medians of the rounds in milliseconds and their ratio (below 1: faster than ONNX Runtime). A round is one
`girandole bench` process and as long a run of ONNX Runtime, one right after the other.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import time

import numpy as np
import onnxruntime

ROOT = pathlib.Path(__file__).parents[1]
MODELS = {  # name: sizes of its free dimensions other than the batch, by ONNX Runtime's name for them
    "mlp_dynamo20": {}, "lstm_dynamo20": {}, "resnet50_dynamo20": {}, "mobilenetv3_dynamo20": {},
    "minilm_dynamo20": {"seq": 128}, "sk_rf_classifier": {},
}
TYPES = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(int32)": np.int32}


def session(path, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def inputs(model, batch, dims):
    """Values for every input: ones for integers, noise for the rest."""
    rng = np.random.default_rng(20)
    made = {}
    for node in model.get_inputs():
        free = [d for d in node.shape[1:] if not isinstance(d, int)]
        size = next(iter(dims.values()), 1)
        shape = [batch, *(size if d in free else d for d in node.shape[1:])]
        kind = TYPES[node.type]
        made[node.name] = (np.ones(shape, kind) if np.issubdtype(kind, np.integer)
                           else rng.standard_normal(shape).astype(kind))
    return made


def free_name(model):
    """The model's own name of its free dimension that is not the batch."""
    for node in model.get_inputs():
        for d in node.shape[1:]:
            if not isinstance(d, int):
                return d
    return None


def onnx_runtime_ms(model, feed, seconds):
    for _ in range(3):
        model.run(None, feed)
    took, until = [], time.perf_counter() + seconds
    while time.perf_counter() < until:
        begin = time.perf_counter()
        model.run(None, feed)
        took.append(time.perf_counter() - begin)
    return statistics.median(took) * 1e3


def girandole_ms(binary, path, batch, dims, options):
    command = [binary, "bench", path, "--batch", str(batch), "--threads", str(options.threads), "--device", "cpu",
               "--seconds", str(options.seconds), "--json"]
    for name, size in dims.items():
        command += ["--dim", f"{name}={size}"]
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{ran.stderr}")
    return json.loads(ran.stdout.splitlines()[-1])["p50_ms"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    split = lambda text: text.split(",")  # noqa: E731
    parser.add_argument("--models", type=split, default=list(MODELS))
    parser.add_argument("--batch", type=split, default=["1", "8"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "target" / "release" / "girandole")
    parser.add_argument("--repository", type=pathlib.Path, default=ROOT / "target" / "real-models")
    options = parser.parse_args()
    print("| model | batch | girandole ms | ONNX Runtime ms | ratio |\n|---|---|---|---|---|")
    for name in options.models:
        path = options.repository / name / "1" / "model.onnx"
        model = session(path, options.threads)
        sizes = MODELS.get(name, {})
        dims = {free_name(model) or key: size for key, size in sizes.items()}
        for batch in map(int, options.batch):
            feed, ours, theirs = inputs(model, batch, sizes), [], []
            for _ in range(options.rounds):
                ours.append(girandole_ms(options.binary, path, batch, dims, options))
                theirs.append(onnx_runtime_ms(model, feed, options.seconds))
            a, b = statistics.median(ours), statistics.median(theirs)
            print(f"| {name} | {batch} | {a:.3f} | {b:.3f} | {a / b:.2f} |", flush=True)


if __name__ == "__main__":
    main()
