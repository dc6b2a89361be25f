"""A model in ONNX Runtime that speaks the Open Inference Protocol's JSON: what all peers in Python run."""
import numpy as np
import onnxruntime

NUMPY = {"FP32": np.float32, "INT64": np.int64, "BYTES": object}
DATATYPES = {"tensor(float)": "FP32", "tensor(int64)": "INT64", "tensor(string)": "BYTES"}


class Model:
    def __init__(self, name, file, threads=1):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.name = name
        self.session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        self.outputs = [output.name for output in self.session.get_outputs()]

    def run(self, feed):
        """Arrays by name in, arrays in the model's order out."""
        return self.session.run(None, feed)

    def answer(self, body):
        """A request's JSON in, a response's out."""
        return self.encode(self.run(self.decode(body)))

    @staticmethod
    def decode(body):
        return {given["name"]: np.array(given["data"], NUMPY[given["datatype"]]).reshape(given["shape"])
                for given in body["inputs"]}

    def encode(self, arrays):
        outputs = [{"name": name, "datatype": "FP32" if array.dtype == np.float32 else "BYTES",
                    "shape": list(array.shape), "data": array.ravel().tolist()}
                   for name, array in zip(self.outputs, arrays)]
        return {"model_name": self.name, "outputs": outputs}

    def answer_many(self, bodies):
        """Several requests as one batch, each with its own rows of the answer."""
        feeds = [self.decode(body) for body in bodies]
        arrays = self.run({name: np.concatenate([feed[name] for feed in feeds]) for name in feeds[0]})
        ends = np.cumsum([len(next(iter(feed.values()))) for feed in feeds])[:-1]
        parts = zip(*(np.split(array, ends) for array in arrays))
        return [self.encode(part) for part in parts]
