"""FastAPI on uvicorn with one worker."""
from . import HERE

PACKAGES = ("fastapi", "uvicorn[standard]", "orjson", "onnxruntime==1.32.0", "numpy")
PATH = "/infer"
READY = "/ready"
NOTE = "one worker of uvicorn, uvloop and httptools, orjson; no batching"


def start(at):
    command = [at.environment / "bin/uvicorn", "app:app", "--app-dir", HERE / "fastapi", "--port", at.port,
               "--no-access-log", "--log-level", "error"]
    return command, at.variables()
