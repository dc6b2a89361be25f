#!/usr/bin/env python3
"""Is the server's engine right on the GPU, and how fast beside PyTorch? Use `run.sh`, which makes the models first.

First every model, at every precision and batch, against PyTorch's float32 answers: an error above what `cases.py`
allows makes the exit status 1, as does a run that fails. Then the times of each case: ours and PyTorch's in turn,
medians of the rounds, in microseconds. Last, with `--load`, an encoder is served over gRPC. Prints Markdown as it goes
and leaves it in OUT/tables.md, the figures in OUT/results.json.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys

from cases import ALLOWED, CASES

QUICK_BATCHES = (1, 8)
SERVED = "minilm_sentence"
PATIENCE = 60  # seconds for a run of ours; what hangs must not take the others' time


class Report:
    """Lines on standard output that stay in a file, and figures that stay in another."""

    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        self.tables, self.results = folder / "tables.md", folder / "results.json"
        self.tables.write_text("")
        self.figures = {"errors": [], "times": []}

    def say(self, line=""):
        print(line, flush=True)
        with self.tables.open("a") as file:
            file.write(line + "\n")

    def keep(self, kind, figures):
        self.figures[kind].append(figures)
        self.results.write_text(json.dumps(self.figures, indent=1))


class Girandole:
    """Runs of `girandole bench`."""

    def __init__(self, options, manifest):
        self.options, self.manifest = options, manifest

    def bench(self, model, precision, *more):
        """The figures of a run, or `failed` with the reason."""
        command = [self.options.binary, "bench", self.options.models / model, "--device", self.options.device,
                   "--precision", precision, "--json", *more]
        try:
            ran = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            return {"failed": f"no end after {PATIENCE} s"}
        if ran.returncode:
            return {"failed": " ".join(ran.stderr.split())[:300] or f"status {ran.returncode}, no message"}
        return json.loads(ran.stdout.splitlines()[-1])

    def error(self, model, precision, batch):
        """The largest error as a part of the largest output, and what went wrong where there is none."""
        found = self.bench(model, precision, "--io", self.options.models / model / f"test_data_set_B{batch}")
        return found.get("max_rel_error"), found.get("failed", "no finite error")

    def times(self, case):
        dims = [f"--dim={name}={size}" for name, size in self.manifest[case.model]["dims"].items()]
        return self.bench(case.model, case.precision, "--batch", case.batch, "--seconds", self.options.seconds, *dims)


class PyTorch:
    """The rivals' figures; none where they cannot be had."""

    def __init__(self, options):
        self.options, self.device = options, "cpu" if options.dry_run else "cuda"
        self.rivals = None
        if not options.skip_rivals:
            try:
                import rivals
                self.rivals = rivals
            except ImportError as error:
                print(f"no PyTorch: {error}", file=sys.stderr)

    def measure(self, case, compiled=False):
        if self.rivals is None:
            return {}
        measure = self.rivals.measure_compiled if compiled else self.rivals.measure
        try:
            return measure(self.options.models, case, self.device, self.options.seconds / 3)
        except Exception as error:  # a rival that fails is a missing figure, not a missing table
            print(f"PyTorch, {case}: {error}", file=sys.stderr)
            return {}


def checks(options, manifest):
    """What is run against PyTorch's answers: all precisions and batches, or few of them."""
    timed = {(case.model, case.precision) for case in CASES}
    for model, facts in manifest.items():
        for precision in ("fp32",) if options.dry_run else ALLOWED:
            for batch in facts["batches"]:
                quickly = batch in QUICK_BATCHES and (model, precision) in timed
                if batch == 1 if options.dry_run else quickly or not options.quick:
                    yield model, precision, batch


def check(report, girandole, options, manifest):
    """How many answers are wrong."""
    wrong = 0
    report.say("| model | precision | batch | error | allowed | |\n|---|---|---|---|---|---|")
    for model, precision, batch in checks(options, manifest):
        error, failed = girandole.error(model, precision, batch)
        allowed = ALLOWED[precision]
        right = error is not None and error <= allowed
        wrong += not right
        shown = "–" if error is None else f"{error:.1e}"
        verdict = "right" if right else "**wrong**" if error is not None else f"**wrong** {failed}"
        report.say(f"| {model} | {precision} | {batch} | {shown} | {allowed:.1e} | {verdict} |")
        report.keep("errors", {"model": model, "precision": precision, "batch": batch, "error": error})
    return wrong


def timed_cases(options, manifest):
    """The cases; for a dry run, each model's first, in the only precision that the CPU has."""
    cases = [case for case in CASES if case.model in manifest]
    if not options.dry_run:
        return cases
    return [case._replace(precision="fp32") for case in cases if case.batch == 1]


def medians(rounds):
    """Of each figure that is a number, over the rounds that have it."""
    keys = dict.fromkeys(key for figures in rounds for key, value in figures.items() if isinstance(value, (int, float)))
    return {key: statistics.median(figures[key] for figures in rounds if key in figures) for key in keys}


def compare(report, girandole, rivals, options, manifest):
    """How many cases could not be run. What is compared are times of the computation, with no copies to and fro."""
    failures = 0
    heads = ("model", "precision", "batch", "girandole µs", "with copies", "PyTorch eager", "PyTorch graph",
             "with copies", "torch.compile", "ratio", "aim µs", "", "error of PyTorch")
    report.say(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for case in timed_cases(options, manifest):
        ours, theirs = [], []
        for _ in range(options.rounds):
            ours.append(girandole.times(case))
            theirs.append(rivals.measure(case))
        if options.compile:
            theirs.append(rivals.measure(case, compiled=True))
        mine, other = medians(ours), medians(theirs)
        failed = next((figures["failed"] for figures in ours if "failed" in figures), None)
        failures += failed is not None
        report.say(row(case, mine, other, failed))
        report.keep("times", case._asdict() | {"girandole": mine, "pytorch": other, "failed": failed})
    return failures


def row(case, mine, other, failed):
    """Ours beside the faster of PyTorch's graph and compiled module, or eager where there is neither."""
    alone, copied = (mine[key] * 1e3 if key in mine else None for key in ("device_p50_ms", "p50_ms"))
    best = min((other[key] for key in ("graph_us", "compile_us") if key in other), default=other.get("eager_us"))
    verdict = f"**failed** {failed}" if failed else "met" if alone <= case.aim_us else "over"
    cells = [alone, copied, *(other.get(f"{key}_us") for key in ("eager", "graph", "graph_copies", "compile"))]
    times = " | ".join("–" if cell is None else f"{cell:.0f}" if cell >= 100 else f"{cell:.1f}" for cell in cells)
    ratio = f"{alone / best:.2f}" if alone and best else "–"
    error = f"{other['error']:.1e}" if "error" in other else "–"
    return (f"| {case.model} | {case.precision} | {case.batch} | {times} | {ratio} | {case.aim_us} | {verdict} "
            f"| {error} |")


def served(report, options):
    """Serves an encoder and asks it; the status of whoever did, 0 where nobody is to."""
    model = options.models / SERVED / "model.onnx"
    if options.load is None or not model.exists():
        return 0
    how = ["--gpu", "--clients", "1,16,64,256,512"]
    if options.dry_run:
        how = ["--clients", "1,4", "--batch", "4", "--instances", "1"]
    command = [options.load, "sentences", "--girandole", options.binary, "--model", model, *how,
               "--rounds", str(options.rounds), "--seconds", str(options.seconds)]
    ran = subprocess.run(command, capture_output=True, text=True)
    report.say(f"\n{ran.stdout.strip()}")
    if ran.returncode:
        report.say(f"**failed** {ran.stderr.strip()}")
    return ran.returncode


def machine():
    """The GPU and its driver, where there is one."""
    try:
        query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "no GPU"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binary", type=lambda text: pathlib.Path(text).resolve())
    parser.add_argument("models", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--load", type=lambda text: pathlib.Path(text).resolve(),
                        help="girandole-load: an encoder is served too, and asked by many clients")
    parser.add_argument("--device", default="gpu:0")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=1, help="of each run of ours; a third for each of PyTorch's")
    parser.add_argument("--compile", action="store_true", help="torch.compile too, of the encoders: a minute or two")
    parser.add_argument("--skip-rivals", action="store_true", help="no PyTorch")
    parser.add_argument("--quick", action="store_true", help="few checks, one round of a third as long")
    parser.add_argument("--dry-run", action="store_true", help="on the CPU, batch 1: does the script itself work?")
    options = parser.parse_args()
    if options.dry_run:
        options.device = "cpu"
    if options.quick or options.dry_run:
        options.rounds, options.seconds = 1, options.seconds / 3
    return options


def main():
    options = arguments()
    manifest = json.loads((options.models / "models.json").read_text())
    report, girandole, rivals = Report(options.out), Girandole(options, manifest), PyTorch(options)
    report.say(f"{machine()}; girandole on {options.device}\n")
    wrong = check(report, girandole, options, manifest)
    report.say()
    failures = compare(report, girandole, rivals, options, manifest)
    failures += bool(served(report, options))
    report.say(f"\n{wrong} wrong answers, {failures} cases that could not be run")
    sys.exit(bool(wrong or failures))


if __name__ == "__main__":
    main()
