"""MLServer with a runtime of its own for ONNX Runtime, since it ships none."""
import json
import shutil

from . import HERE

PACKAGES = ("mlserver==1.7.1", "onnxruntime==1.32.0")
PATH = "/v2/models/{model}/infer"
READY = "/v2/models/{model}/ready"
NOTE = "no parallel workers, adaptive batching up to 32 requests within 1 ms"


def start(at):
    shutil.copy(HERE / "mlserver/runtime.py", at.folder)
    (at.folder / "settings.json").write_text(json.dumps({
        "host": "127.0.0.1", "http_port": at.port, "grpc_port": at.more_ports[0], "metrics_port": at.more_ports[1],
        "parallel_workers": 0, "debug": False, "logging_settings": None, "use_structured_logging": False}))
    (at.folder / "model-settings.json").write_text(json.dumps({
        "name": at.model, "implementation": "runtime.Runtime", "max_batch_size": 32, "max_batch_time": 0.001}))
    return [at.environment / "bin/mlserver", "start", at.folder], at.variables(PYTHONPATH=str(at.folder))
