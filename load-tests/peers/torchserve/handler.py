"""A handler for TorchServe with ONNX Runtime: a list of requests in, a list of answers out."""
import os
import sys

sys.path.insert(0, os.environ["PEERS"])
from ort_model import Model  # noqa: E402


class Handler:
    def initialize(self, context):
        self.model = Model(os.environ["MODEL_NAME"], os.environ["MODEL_FILE"])
        self.initialized = True

    def handle(self, data, context):
        return self.model.answer_many([row.get("body") or row.get("data") for row in data])


_service = Handler()


def handle(data, context):
    if not getattr(_service, "initialized", False):
        _service.initialize(context)
    return None if data is None else _service.handle(data, context)
