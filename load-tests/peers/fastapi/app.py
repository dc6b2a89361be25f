"""FastAPI with ONNX Runtime, as it is usually written: one route, the model in a thread of the pool."""
import os
import sys

import fastapi
import orjson
from fastapi.concurrency import run_in_threadpool

sys.path.insert(0, os.environ["PEERS"])
from ort_model import Model  # noqa: E402

app = fastapi.FastAPI()
model = Model(os.environ["MODEL_NAME"], os.environ["MODEL_FILE"])


@app.get("/ready")
def ready():
    return {}


@app.post("/infer")
async def infer(request: fastapi.Request):
    answer = await run_in_threadpool(model.answer, orjson.loads(await request.body()))
    return fastapi.Response(orjson.dumps(answer), media_type="application/json")
