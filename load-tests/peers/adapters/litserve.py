"""LitServe with one worker."""
from . import HERE

PACKAGES = ("litserve==0.2.19", "onnxruntime==1.32.0", "numpy")
PATH = "/infer"
READY = "/health"
NOTE = "one worker, batches up to 32 requests within 1 ms"


def start(at):
    return [at.python, HERE / "litserve/app.py"], at.variables()
