"""What Prometheus reads."""
import re
import shutil
import subprocess

import numpy as np
import pytest
from tritonclient.grpc import InferInput

from server import ROOT, Server

COUNTERS = ["nv_inference_request_success", "nv_inference_request_failure", "nv_inference_count",
            "nv_inference_exec_count", "nv_inference_request_duration_us", "nv_inference_queue_duration_us",
            "nv_inference_compute_input_duration_us", "nv_inference_compute_infer_duration_us",
            "nv_inference_compute_output_duration_us"]
HISTOGRAMS = ["girandole_request_duration_seconds", "girandole_queue_duration_seconds",
              "girandole_compute_duration_seconds", "girandole_batch_size"]
GAUGES = ["nv_inference_pending_request_count", "girandole_queue_depth", "girandole_running_batches",
          "girandole_instances_without_session", "girandole_version_tripped"]

# There only where a GPU is.
ON_GPUS = ("nv_gpu_", "girandole_device_", "girandole_cuda_", "girandole_precision_")


@pytest.fixture(scope="module")
def fresh(small_models, tmp_path_factory):
    """A server, and its metrics before anyone asked it anything."""
    log = tmp_path_factory.mktemp("audit") / "audit.jsonl"
    with Server("--repository-settle-ms", "0", "--audit-log", log, repository=small_models) as server:
        yield server, server.metrics()


def series(text, name, model="identity"):
    """The values of the series of one model."""
    pattern = rf'^{name}\{{[^}}]*model="{model}"[^}}]*\}} (\S+)$'
    return [float(value) for value in re.findall(pattern, text, re.M)]


def test_series_are_there_before_the_first_request(fresh):
    _, text = fresh
    for name in COUNTERS + GAUGES:
        values = series(text, name)
        assert values and not any(values), f"{name}: {values}"
    for name in HISTOGRAMS:
        assert series(text, f"{name}_count") == [0] and len(series(text, f"{name}_bucket")) > 3, name


def test_series_count_what_happens(fresh):
    server, _ = fresh
    before = server.metrics()
    x = InferInput("x", [3, 4], "FP32")
    x.set_data_from_numpy(np.ones((3, 4), np.float32))
    with server.grpc() as client:
        for _ in range(7):
            client.infer("identity", [x])
    server.infer("identity", {"inputs": []})
    after = server.metrics()
    grown = {name: sum(series(after, name)) - sum(series(before, name)) for name in COUNTERS}
    assert grown["nv_inference_request_success"] == 7
    assert grown["nv_inference_request_failure"] == 1
    assert grown["nv_inference_count"] == 21 and grown["nv_inference_exec_count"] == 7
    assert grown["nv_inference_compute_infer_duration_us"] >= 0
    assert series(after, "girandole_batch_size_sum")[0] == 21


def test_promtool_accepts_the_text(fresh):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    server, _ = fresh
    checked = subprocess.run([promtool, "check", "metrics"], input=server.metrics(), capture_output=True, text=True)
    # Triton's names break promtool's naming advice (exit code 3: linting); they stay, since dashboards use them.
    advice = [line for line in (checked.stdout + checked.stderr).splitlines() if not line.startswith("nv_")]
    assert checked.returncode in (0, 3) and not advice, checked.stdout + checked.stderr


def test_labels_are_bounded(fresh):
    server, _ = fresh
    before = len(server.metrics().splitlines())
    for i in range(20):
        server.infer(f"nobody{i}", {"inputs": []})
    assert len(server.metrics().splitlines()) <= before + 2
    assert "nobody" not in server.metrics()


def test_every_series_is_documented_and_every_documented_one_is_there(fresh):
    server, _ = fresh
    families = set(re.findall(r"^# TYPE (\S+)", server.metrics(), re.M))
    documented = set(re.findall(r"^\| `(\w+)`", (ROOT / "docs" / "metrics.md").read_text(), re.M))
    on_gpus = {name for name in documented if name.startswith(ON_GPUS)}
    assert len(on_gpus) == 8
    assert families - on_gpus == documented - on_gpus
