"""Triton: the server that nvidia-pytriton ships, with its Python backend."""
import shutil
import subprocess

from . import HERE

PACKAGES = ("nvidia-pytriton==0.7.0", "onnxruntime==1.32.0")
PATH = "/v2/models/{model}/infer"
READY = "/v2/health/ready"
NOTE = "Python backend, one instance, dynamic batching up to 32 rows, no delay"

CONFIG = """
import sys, onnxruntime
types = {"tensor(float)": "TYPE_FP32", "tensor(int64)": "TYPE_INT64", "tensor(string)": "TYPE_STRING"}
session = onnxruntime.InferenceSession(sys.argv[1])
def each(kind, tensors):
    for tensor in tensors:
        dims = [size if isinstance(size, int) else -1 for size in tensor.shape[1:]] or [1]
        print(f'{kind} {{ name: "{tensor.name}" data_type: {types[tensor.type]} dims: {dims} }}')
each("input", session.get_inputs())
each("output", session.get_outputs())
"""


def start(at):
    server = at.packages / "pytriton/tritonserver"
    backends = at.folder / "backends"
    shutil.copytree(server / "backends", backends)
    version = at.packages.parent.name.removeprefix("python")
    shutil.copy(server / "python_backend_stubs" / version / "triton_python_backend_stub", backends / "python")
    model = at.folder / "models" / at.model
    (model / "1").mkdir(parents=True)
    shutil.copy(HERE / "triton/model.py", model / "1")
    tensors = subprocess.run([at.python, "-c", CONFIG, at.file], capture_output=True, text=True, check=True).stdout
    settings = 'backend: "python"\nmax_batch_size: 32\ndynamic_batching { }\n'
    (model / "config.pbtxt").write_text(f"{settings}instance_group [ {{ kind: KIND_CPU count: 1 }} ]\n{tensors}")
    libraries = f"{at.packages}/nvidia_pytriton.libs"
    command = [server / "bin/tritonserver", "--model-repository", at.folder / "models", "--backend-directory", backends,
               "--http-port", at.port, "--grpc-port", at.more_ports[0], "--metrics-port", at.more_ports[1],
               "--log-error", "1", "--log-info", "0", "--log-warning", "0"]
    return command, at.variables(PACKAGES=str(at.packages), LD_LIBRARY_PATH=libraries)
