"""A process under load: started on free ports, looked at through /proc, ended when the block is left.

    with Girandole(binary, "--model-repository", folder, cores="0") as server:
        server.rest, server.grpc                   # host:port
        server.holdings()                          # memory, threads, descriptors
Needs nothing but Python.
"""
import dataclasses
import os
import pathlib
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[1]
LISTENING = re.compile(r"girandole is listening: rest=(\S+) grpc=(\S+) metrics=(\S+) admin=(\S+)")
TICKS = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass(frozen=True)
class Holdings:
    """What processes hold: MiB, numbers, seconds of processor time."""
    resident_mib: float
    threads: int
    descriptors: int
    cpu_s: float


class Process:
    """A command and the processes that it starts, on these cores alone, as taskset lists them."""

    def __init__(self, command, cores=None, environment=None, cwd=None, log=None, stdout=None):
        pinned = ["taskset", "--cpu-list", cores] if cores else []
        self.process = subprocess.Popen([*pinned, *map(str, command)], stdout=stdout or log, stderr=log, cwd=cwd,
                                        env={**os.environ, **(environment or {})}, process_group=0)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self, patience=20):
        """The exit code after SIGTERM; what is left of its processes then is killed."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(patience)
        except subprocess.TimeoutExpired:
            code = None
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        return code

    def pids(self):
        """Its own and those of its group's other processes."""
        own = str(self.process.pid)
        found = []
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if fields[2] == own:
                found.append(stat.parent)
        return found

    def holdings(self):
        """Of all its processes together."""
        total = [0.0, 0, 0, 0.0]
        for process in self.pids():
            try:
                status = (process / "status").read_text()
                fields = (process / "stat").read_text().rsplit(")", 1)[1].split()
                total[0] += int((re.search(r"VmRSS:\s+(\d+)", status) or [0, 0])[1]) / 1024
                total[1] += int((re.search(r"Threads:\s+(\d+)", status) or [0, 0])[1])
                total[2] += len(os.listdir(process / "fd"))
                total[3] += (int(fields[11]) + int(fields[12])) / TICKS
            except OSError:
                continue
        return Holdings(*total)


class Girandole(Process):
    """`girandole serve` on free ports; entering the block waits until it is ready."""

    def __init__(self, binary, *options, cores=None, log=subprocess.DEVNULL):
        ports = ("--http-port", "0", "--grpc-port", "0", "--metrics-port", "0", "--admin-port", "0")
        super().__init__([binary, "serve", *ports, *options], cores, log=log, stdout=subprocess.PIPE)
        for line in self.process.stdout:
            if found := LISTENING.search(line.decode()):
                self.rest, self.grpc, self.metrics, self.admin = found.groups()
                break
        else:
            raise SystemExit(f"{binary} ended with {self.process.wait()} before it listened")

    def __enter__(self):
        wait_until(lambda: status(f"http://{self.rest}/v2/health/ready") == 200, "the server to be ready")
        return self


def status(url):
    """The HTTP status of a GET; None where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def wait_until(condition, what, patience=120):
    """Returns how many seconds it took."""
    begin = time.monotonic()
    while not condition():
        if time.monotonic() - begin > patience:
            raise SystemExit(f"waited {patience} s for {what}")
        time.sleep(0.01)
    return time.monotonic() - begin
