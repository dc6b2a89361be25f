#!/usr/bin/env python3
"""Load time and resident memory against ONNX Runtime: a fresh process for each engine and model, in turn.

    cargo build --release -p girandole-engine --example footprint
    .venv/bin/python load-tests/footprint.py [--cases minilm,lstm] [--threads 1] [--rounds 3]
For each model of engine.py (at its batches) and each real model of the tests (on its test data): the process loads
the model and runs every input a few times. Figures are medians of the rounds; memory is the system's count (VmHWM,
reset between the phases), in MiB:
    net     the highest since loading began, less what the process took before: for ONNX Runtime a Python with
            onnxruntime imported and no session, for ours the bare program
    serve   the same, but only of the runs after loading
    whole   the highest with all of the process
A ratio below 1 means less than ONNX Runtime.

Each process is run twice in a row, and figures are those of the second; `first` is the first one's load time. On
a virtual machine the host takes free memory away after seconds, and whoever comes next pays several times as much for
each page of it, most for the huge pages that ours has.
"""
import argparse
import json
import math
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parents[1]
BINARY = ROOT / "target" / "release" / "examples" / "footprint"


def resident(line):
    """MiB of a line of this process's status."""
    with open("/proc/self/status") as status:
        return next(int(text.split()[1]) for text in status if text.startswith(line)) / 1024


def forget_peak():
    """Lets the system's count of the peak begin anew; MiB resident now."""
    with open("/proc/self/clear_refs", "w") as clear:
        clear.write("5")
    return resident("VmRSS")


def onnx_runtime(threads, runs, path, folders):
    """What examples/footprint.rs does, with ONNX Runtime; the imports come before the base is taken."""
    import onnxruntime  # noqa: F401
    from engine import session
    feeds = [feed(folder) for folder in folders]
    figures = {"base": forget_peak()}
    begin = time.perf_counter()
    model = session(path, threads)
    figures["load_ms"] = (time.perf_counter() - begin) * 1e3
    figures["load_peak"], figures["loaded"] = resident("VmHWM"), forget_peak()
    for values in feeds:
        for _ in range(runs):
            model.run(None, values)
    figures["peak"] = resident("VmHWM")
    print(json.dumps(figures))


def feed(folder):
    """The tensors of a data set, by their names."""
    import onnx
    from onnx import numpy_helper
    paths = sorted(pathlib.Path(folder).glob("input_*.pb"), key=lambda path: int(path.stem.split("_")[1]))
    protos = [onnx.load_tensor(path) for path in paths]
    return {proto.name: numpy_helper.to_array(proto) for proto in protos}


def data_sets(name, path, repository, keep):
    """Folders of inputs: those of engine.py's batches, made in `keep`, or the test data beside a real model."""
    import engine
    from onnx import numpy_helper, save_tensor
    if name not in engine.CASES:
        return sorted((repository / name).glob("test_data_set_*"))
    _, batches, sizes = engine.CASES[name]
    model, folders = engine.session(path, 1), []
    dims = dict(zip(engine.free_dimensions(model), sizes, strict=True))
    for batch in batches:
        folders.append(pathlib.Path(keep) / name / str(batch))
        folders[-1].mkdir(parents=True)
        for number, (key, value) in enumerate(engine.inputs(model, batch, dims).items()):
            save_tensor(numpy_helper.from_array(value, key), folders[-1] / f"input_{number}.pb")
    return folders


def measured(command):
    """What the process says of itself, of the second of two runs; `first` from the first."""
    first, again = (said_by(command) for _ in range(2))
    whole = max(again["load_peak"], again["peak"])
    return {"load": again["load_ms"], "first": first["load_ms"], "net": whole - again["base"],
            "serve": again["peak"] - again["base"], "whole": whole}


def said_by(command):
    ran = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if ran.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{ran.stderr}")
    return json.loads(ran.stdout.splitlines()[-1])


def compared(options, path, folders):
    """The medians of both engines."""
    tail = [options.threads, options.runs, path, *folders]
    ours, theirs = [], []
    for _ in range(options.rounds):
        ours.append(measured([options.binary, *tail]))
        theirs.append(measured([sys.executable, __file__, "--onnx-runtime", *tail]))
    return [{key: statistics.median(each[key] for each in all_of) for key in all_of[0]} for all_of in (ours, theirs)]


def models(options):
    """Name and path of every model that is asked for."""
    import engine
    import engine_models
    cases = {name: engine_models.path(case[0], options.repository) for name, case in engine.CASES.items()}
    known = set(cases.values())
    real = {path.parts[-3]: path for path in sorted(options.repository.glob("*/1/model.onnx")) if path not in known}
    wanted = {**cases, **real} if options.real else cases
    return {name: path for name, path in wanted.items()
            if any(name.lower().startswith(case.lower()) for case in options.cases)}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=lambda text: text.split(","), default=[""], help="beginnings of names")
    parser.add_argument("--real", action="store_true", help="the tests' real models too")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=5, help="runs of each input")
    parser.add_argument("--binary", type=pathlib.Path, default=BINARY)
    parser.add_argument("--repository", type=pathlib.Path, default=ROOT / "target" / "real-models")
    return parser.parse_args()


def main():
    options = arguments()
    names = ("load ms", "first ms", "net MiB", "serve MiB", "whole MiB")
    print(f"| model |{''.join(f' {name} | ONNX Runtime | ratio |' for name in names)}\n|---{'|---' * 15}|")
    ratios = {}
    with tempfile.TemporaryDirectory() as keep:
        for name, path in models(options).items():
            ours, theirs = compared(options, path, data_sets(name, path, options.repository, keep))
            cells = [name]
            for key in ours:
                ratios.setdefault(key, []).append(ours[key] / max(theirs[key], 0.01))
                cells += [f"{ours[key]:.4g}", f"{theirs[key]:.4g}", f"{ratios[key][-1]:.2f}"]
            print(f"| {' | '.join(cells)} |", flush=True)
    for key, each in ratios.items():
        print(f"\n{key}: geometric mean {math.exp(statistics.fmean(map(math.log, each))):.2f}, highest {max(each):.2f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--onnx-runtime"]:
        onnx_runtime(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5:])
    else:
        main()
