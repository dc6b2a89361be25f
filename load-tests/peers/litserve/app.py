"""LitServe with ONNX Runtime: one worker, batches of what waits."""
import os
import sys

import litserve

sys.path.insert(0, os.environ["PEERS"])
from ort_model import Model  # noqa: E402


class Api(litserve.LitAPI):
    def setup(self, device):
        self.model = Model(os.environ["MODEL_NAME"], os.environ["MODEL_FILE"])

    def decode_request(self, request):
        return request

    def batch(self, inputs):
        return inputs

    def predict(self, requests):
        return self.model.answer_many(requests)

    def unbatch(self, output):
        return output

    def encode_response(self, output):
        return output


if __name__ == "__main__":
    api = Api(max_batch_size=32, batch_timeout=0.001, api_path="/infer")
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(os.environ["PORT"]), num_api_servers=1, generate_client_file=False,
               log_level="error")
