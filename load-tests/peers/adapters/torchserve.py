"""TorchServe 0.12, the last one; needs Java 11 or newer. One worker with a handler for ONNX Runtime."""
import json
import shutil

from . import HERE

PACKAGES = ("torchserve==0.12.0", "torch==2.4.0", "numpy==1.26.4", "onnxruntime==1.32.0", "packaging", "pyyaml",
            "setuptools<81")
PATH = "/predictions/{model}"
READY = "/ping"
NOTE = "one worker, batches up to 32 after 1 ms (its least)"


def start(at):
    model = at.folder / "store" / at.model
    (model / "MAR-INF").mkdir(parents=True)
    shutil.copy(HERE / "torchserve/handler.py", model / "handler.py")
    (model / "MAR-INF/MANIFEST.json").write_text(json.dumps({
        "createdOn": "01/01/2026 00:00:00", "runtime": "python", "archiverVersion": "0.12.0",
        "model": {"modelName": at.model, "handler": "handler.py", "modelVersion": "1.0"}}))
    settings = {at.model: {"1.0": {"defaultVersion": True, "marName": at.model, "minWorkers": 1, "maxWorkers": 1,
                                   "batchSize": 32, "maxBatchDelay": 1, "responseTimeout": 120}}}
    addresses = zip(("inference", "management", "metrics"), (at.port, *at.more_ports))
    (at.folder / "config.properties").write_text("\n".join([
        *(f"{name}_address=http://127.0.0.1:{port}" for name, port in addresses),
        f"grpc_inference_port={at.port + 5000}", f"grpc_management_port={at.port + 5001}",
        "disable_token_authorization=true", "disable_system_metrics=true", "install_py_dep_per_model=false",
        f"model_store={at.folder}/store", f"load_models={at.model}", f"models={json.dumps(settings)}"]))
    command = [at.environment / "bin/torchserve", "--start", "--foreground", "--ncs", "--ts-config",
               at.folder / "config.properties", "--model-store", at.folder / "store", "--disable-token-auth"]
    logs = str(at.folder / "logs")
    return command, at.variables(LOG_LOCATION=logs, METRICS_LOCATION=logs, TEMP=str(at.folder),
                                 PATH=f"{at.environment}/bin:/usr/local/bin:/usr/bin:/bin")
