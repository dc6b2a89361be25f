"""A model for Triton's Python backend with ONNX Runtime: what Triton hands over at once is one batch."""
import os
import sys

# Its interpreter knows no environment.
sys.path[:0] = [os.environ["PEERS"], os.environ["PACKAGES"]]
import numpy as np  # noqa: E402
import triton_python_backend_utils as pb  # noqa: E402
from ort_model import Model  # noqa: E402

text = np.vectorize(lambda value: value.decode(), otypes=[object])


class TritonPythonModel:
    def initialize(self, args):
        self.model = Model(args["model_name"], os.environ["MODEL_FILE"])
        self.inputs = [given.name for given in self.model.session.get_inputs()]

    def execute(self, requests):
        arrays = [[pb.get_input_tensor_by_name(request, name).as_numpy() for name in self.inputs]
                  for request in requests]
        joined = {name: np.concatenate(parts) for name, parts in zip(self.inputs, zip(*arrays))}
        feed = {name: text(array) if array.dtype == object else array for name, array in joined.items()}
        ends = np.cumsum([len(first) for first, *_ in arrays])[:-1]
        parts = zip(*(np.split(array, ends) for array in self.model.run(feed)))
        return [pb.InferenceResponse([pb.Tensor(name, np.ascontiguousarray(array))
                                      for name, array in zip(self.model.outputs, part)]) for part in parts]
