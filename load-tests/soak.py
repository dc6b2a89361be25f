#!/usr/bin/env python3
"""Hours of everything at once: REST and gRPC, reloads, canary changes and clients that misbehave.

    .venv/bin/python load-tests/soak.py --minutes 5          # before a release
    .venv/bin/python load-tests/soak.py --minutes 120
Every answer is checked to be that of the version it names. In the end the server must have answered everybody who
behaved, hold no more memory, threads and descriptors than in the beginning, and end in order. Writes a report with
plots and ends with a status other than 0 where one of that fails. Needs tritonclient (tests/requirements.txt).
"""
import argparse
import collections
import dataclasses
import pathlib
import random
import shutil
import statistics
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import plot  # noqa: E402
from local_server import ROOT, Girandole, Holdings, status, wait_until  # noqa: E402
from soaking import bad, good  # noqa: E402
from soaking.repository import Repository  # noqa: E402

SETTLING = 0.2        # of the time, which counts for no growth
MEMORY_GROWTH = 0.10  # of the median of the first third after it to the last's
MEMORY_SLACK = 8      # MiB, which an allocator may keep more or less of
THREADS = 2           # more than in the beginning
DESCRIPTORS = 2       # more than before the clients came, once they have gone
QUIET = 90            # seconds for the server to notice who has gone: a request's head may take 60


@dataclasses.dataclass(frozen=True)
class Sample:
    after_s: float
    held: Holdings
    answered: int


def main():
    options = arguments()
    folder = pathlib.Path(tempfile.mkdtemp())
    repository = Repository(folder)
    arguments_ = ["--model-repository", folder, "--model-control-mode", "poll", "--repository-poll-secs", "1",
                  "--repository-settle-ms", "0"]
    with open(options.log, "wb") as log, Girandole(options.girandole, *arguments_, log=log) as server:
        wait_until(lambda: status(f"http://{server.rest}/v2/models/forecast/versions/2/ready") == 200, "forecast")
        tally = good.Tally()
        before = warmed(server, tally)
        samples = soak(server, repository, tally, options)
        wait_until(lambda: server.holdings().descriptors <= before.descriptors + DESCRIPTORS or gone(server, QUIET),
                   "connections to go", patience=QUIET + 60)
        after = server.holdings()
        alive = status(f"http://{server.rest}/v2/health/ready") == 200
        code = server.stop(40)
    shutil.rmtree(folder)
    findings = verdict(samples, tally, before, after, repository) + [
        ("the server is ready at the end", alive, alive), ("and ends with 0", code == 0, code)]
    report(options, samples, tally, findings)
    return 0 if all(held for _, held, _ in findings) else 1


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--rate", type=float, default=25, help="requests a second of each of the eight clients")
    parser.add_argument("--seed", type=int, default=1, help="what misbehaviour is drawn from")
    parser.add_argument("--girandole", default=ROOT / "target/release/girandole", help="the server's binary")
    parser.add_argument("--out", default="soak.html", help="the report")
    parser.add_argument("--log", default="soak.log", help="the server's log")
    return parser.parse_args()


def warmed(server, tally):
    """What the server holds after each kind of client has asked once and gone."""
    for client in good.CLIENTS:
        client(server, tally, threading.Event()).once()
    time.sleep(1)
    return server.holdings()


_quiet_since = None


def gone(server, patience):
    """Whether there has been enough time."""
    global _quiet_since
    _quiet_since = _quiet_since or time.monotonic()
    return time.monotonic() - _quiet_since > patience


def soak(server, repository, tally, options):
    """Lets everybody loose for the time, and looks at the server each second."""
    end = threading.Event()
    draw = random.Random(options.seed)
    threads = [threading.Thread(target=client(server, tally, end).ask, args=(options.rate,))
               for client in good.CLIENTS for _ in range(2)]
    threads += [threading.Thread(target=each, args=(server, end, random.Random(draw.random()))) for each in bad.CLIENTS]
    threads.append(threading.Thread(target=repository.change, args=(end, random.Random(draw.random()))))
    for thread in threads:
        thread.start()
    begin, samples = time.monotonic(), []
    try:
        while (after := time.monotonic() - begin) < 60 * options.minutes:
            samples.append(Sample(after, server.holdings(), sum(tally.answered.values())))
            if server.process.poll() is not None:
                raise SystemExit(f"the server ended with {server.process.returncode} after {after:.0f} s: "
                                 f"{options.log}")
            time.sleep(1)
    finally:
        end.set()
        for thread in threads:
            thread.join()
    return samples


def verdict(samples, tally, before, after, repository):
    """What was asked of the server, whether that holds, and what it was."""
    settled = samples[int(len(samples) * SETTLING):]
    third = max(1, len(settled) // 3)
    memory = [statistics.median(sample.held.resident_mib for sample in part)
              for part in (settled[:third], settled[-third:])]
    allowed = memory[0] * (1 + MEMORY_GROWTH) + MEMORY_SLACK
    threads = [max(sample.held.threads for sample in part) for part in (settled[:third], settled[-third:])]
    versions = sorted(tally.versions["congestion"])
    return [
        ("every answer is that of its version", not tally.wrong,
         tally.wrong[:3] or f"{sum(tally.answered.values())} answers"),
        ("nobody who behaved was refused", not tally.failed, f"{len(tally.failed)} failed {tally.failed[:3] or ''}"),
        ("every kind of client was answered", len(tally.answered) == len(good.CLIENTS), dict(tally.answered)),
        ("reloads were seen by clients", len(versions) >= 2,
         f"{repository.reloads} reloads, versions {versions[:2]}..{versions[-1:]}"),
        ("a split reached both versions", len(tally.versions["forecast"]) == 2, f"{repository.splits} changes"),
        (f"memory grew by {MEMORY_GROWTH:.0%} and {MEMORY_SLACK} MiB at most", memory[1] <= allowed,
         f"{memory[0]:.1f} to {memory[1]:.1f} MiB"),
        (f"threads grew by {THREADS} at most", threads[1] <= threads[0] + THREADS, f"{threads[0]} to {threads[1]}"),
        (f"descriptors are back within {DESCRIPTORS}", after.descriptors <= before.descriptors + DESCRIPTORS,
         f"{before.descriptors} before, {after.descriptors} after"),
    ]


def report(options, samples, tally, findings):
    rows = [("yes" if held else "NO", what, str(found)) for what, held, found in findings]
    for row in rows:
        print(f"{row[0]:3}  {row[1]}: {row[2]}")
    series = {"memory": [(sample.after_s, sample.held.resident_mib) for sample in samples]}
    counts = {"threads": [(sample.after_s, sample.held.threads) for sample in samples],
              "descriptors": [(sample.after_s, sample.held.descriptors) for sample in samples]}
    rates = {"answers": [(b.after_s, (b.answered - a.answered) / (b.after_s - a.after_s))
                         for a, b in zip(samples, samples[1:])]}
    misbehaved = ", ".join(f"{count} {what}" for what, count in sorted(bad.COUNTS.items()))
    parts = [f"<p>{options.minutes:g} minutes; clients that misbehaved: {misbehaved}.</p>",
             plot.table(("holds", "what", "found"), rows), plot.lines("Resident memory", series, " MiB"),
             plot.lines("Threads and descriptors", counts), plot.lines("Right answers a second", rates),
             plot.table(("client", "answers", "p50 ms", "p99 ms"), tally.rows())]
    pathlib.Path(options.out).write_text(plot.page("Soak", parts))
    print(f"misbehaved: {misbehaved}\nreport: {options.out}")


if __name__ == "__main__":
    sys.exit(main())
