"""The load tests themselves still work: k6's smoke scenario over every protocol, with its report."""
import pathlib
import shutil
import subprocess
import sys

import pytest

from server import BINARY, ROOT

K6 = shutil.which("k6", path=str(pathlib.Path(sys.executable).parent)) or shutil.which("k6")


@pytest.mark.skipif(K6 is None, reason="k6 is not installed")
def test_k6_smoke_gets_right_answers_over_every_protocol(tmp_path):
    report = tmp_path / "report.html"
    command = [sys.executable, ROOT / "load-tests/k6/run.py", "smoke", "--seconds", "1", "--girandole", BINARY,
               "--out", report]
    ran = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for protocol in ("rest-json", "rest-binary", "grpc"):
        line = next(line for line in ran.stdout.splitlines() if line.startswith(protocol))
        assert int(line.split()[1]) > 0 and "failed" not in line, line
    assert report.read_text().count("<svg") == 6, "two plots a protocol"
