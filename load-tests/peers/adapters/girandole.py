"""Girandole: the file, and batching without waiting."""
import shutil

PACKAGES = ()
PATH = "/v2/models/{model}/infer"
READY = "/v2/health/ready"
NOTE = "dynamic batching up to 32 rows, no delay"


def start(at):
    model = at.folder / at.model
    (model / "1").mkdir(parents=True)
    shutil.copyfile(at.file, model / "1/model.onnx")
    (model / "config.pbtxt").write_text("max_batch_size: 32\ndynamic_batching { }\n")
    ports = ["--http-port", at.port, "--grpc-port", at.more_ports[0], "--metrics-port", at.more_ports[1]]
    return [at.binary, "serve", *ports, "--admin-address", "off", "--repository-settle-ms", "0",
            "--model-repository", at.folder], {}
