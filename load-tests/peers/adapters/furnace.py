"""furnace-server with ONNX Runtime as its engine: cargo build --release in peers/furnace. It has no strings."""
PACKAGES = ("onnxruntime==1.32.0",)
PATH = "/v2/models/{model}/infer"
READY = "/readyz"
NOTE = "ONNX Runtime through its TensorModel, batches up to 32; has no strings, so churn cannot be served"


def start(at):
    library = next(at.packages.glob("onnxruntime/capi/libonnxruntime.so.*"))
    return [at.binary, at.model, at.file, at.port], at.variables(ORT_DYLIB_PATH=str(library))
