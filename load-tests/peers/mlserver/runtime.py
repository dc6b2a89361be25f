"""A runtime for MLServer with ONNX Runtime; MLServer itself batches."""
import os
import sys

from mlserver import MLModel
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput

sys.path.insert(0, os.environ["PEERS"])
from ort_model import Model  # noqa: E402


class Runtime(MLModel):
    async def load(self):
        self.model = Model(self.name, os.environ["MODEL_FILE"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        inputs = [{"name": given.name, "shape": given.shape,
                   "datatype": getattr(given.datatype, "value", given.datatype),
                   "data": [value.decode() if isinstance(value, bytes) else value for value in given.data.root]}
                  for given in payload.inputs]
        answer = self.model.answer({"inputs": inputs})
        return InferenceResponse(model_name=self.name,
                                 outputs=[ResponseOutput(**output) for output in answer["outputs"]])
