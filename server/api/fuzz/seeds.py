#!/usr/bin/env python3
"""Makes the fuzz targets' seeds from this repository: requests of tests and examples, configurations of models, tests
and documentation.

    pip install tritonclient[grpc]
    python3 server/api/fuzz/seeds.py            # into server/api/fuzz/corpus/{rest_json,rest_binary,...}

Files above 4 KB are left out.
"""

import argparse
import hashlib
import json
import re
from pathlib import Path

import numpy as np
from tritonclient.grpc import service_pb2
from tritonclient.utils import serialize_byte_tensor, triton_to_np_dtype

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
LARGEST = 4 << 10
STRING = re.compile(r'r#"(.*?)"#|"(\n[^"]*)"', re.DOTALL)
CODE = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
OPTION = re.compile(r"^\| `--([a-z0-9-]+)`", re.MULTILINE)
TYPED = {"BOOL": "bool", "FP32": "fp32", "FP64": "fp64", "BYTES": "bytes", "INT64": "int64", "UINT64": "uint64",
         "INT8": "int", "INT16": "int", "INT32": "int", "UINT8": "uint", "UINT16": "uint", "UINT32": "uint"}


def strings(folder):
    """Every string of several lines, or with quotes, of the Rust files below a folder."""
    for path in sorted((ROOT / folder).rglob("*.rs")):
        for one, other in STRING.findall(path.read_text()):
            yield (one or other).replace("{{", "{").replace("}}", "}")


def code(kind):
    """The blocks of one language in the documentation."""
    for path in sorted((ROOT / "docs").rglob("*.md")):
        yield from (text for language, text in CODE.findall(path.read_text()) if language == kind)


def every_type():
    """A request for each element type, nested and flat, and one that asks for forms and classes of outputs."""
    for dtype in [*TYPED, "FP16", "BF16"]:
        values = {"BOOL": [True, False], "BYTES": ["a", "b c"]}.get(dtype, [1, 2])
        for data in (values, [values]):
            yield {"id": "1", "inputs": [{"name": dtype, "datatype": dtype, "shape": [1, 2], "data": data}]}
    yield {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [0.5]}],
           "outputs": [{"name": "x", "parameters": {"binary_data": True, "classification": 1}}],
           "parameters": {"priority": 1, "timeout": 5, "binary_data_output": True, "mine": "a"}}


def requests():
    """Bodies of inference requests."""
    for path in sorted((ROOT / "model-repo").glob("*/example.json")):
        yield json.loads(path.read_text())
    yield from every_type()
    for text in strings("server/api"):
        try:
            body = json.loads(text)
        except ValueError:
            continue
        if isinstance(body, dict) and "inputs" in body:
            yield body


def wire(tensor):
    """The bytes of a JSON input, or nothing where it is broken."""
    try:
        if tensor["datatype"] == "BF16":
            return (np.array(tensor["data"], np.float32).ravel().view(np.uint32) >> 16).astype(np.uint16).tobytes()
        if tensor["datatype"] == "BYTES":
            return serialize_byte_tensor(np.array(tensor["data"], np.object_)).item()
        return np.array(tensor["data"], triton_to_np_dtype(tensor["datatype"])).tobytes()
    except (KeyError, ValueError, TypeError, OverflowError):
        return None


def framed(body):
    """A body with binary tensors, behind the length of its JSON; one of a single tensor, behind a 0."""
    tensors = [wire(tensor) for tensor in body["inputs"]]
    if None in tensors:
        return
    body = {**body, "inputs": [
        {**{key: value for key, value in tensor.items() if key != "data"}, "parameters": {"binary_data_size": len(data)}}
        for tensor, data in zip(body["inputs"], tensors)]}
    text = json.dumps(body).encode()
    yield len(text).to_bytes(4, "little") + text + b"".join(tensors)
    yield from (bytes(4) + data for data in tensors)


def messages(body):
    """The request as gRPC messages, with typed and with raw contents."""
    for typed in (True, False):
        message = service_pb2.ModelInferRequest(model_name="fuzz", id=str(body.get("id", "")))
        for tensor in body["inputs"]:
            data = wire(tensor)
            if data is None or typed and tensor["datatype"] not in TYPED:
                return
            shape = [size for size in tensor["shape"] if -(1 << 63) <= size < 1 << 63]
            made = message.inputs.add(name=tensor["name"], datatype=tensor["datatype"], shape=shape)
            if typed:
                flat = np.array(tensor["data"], np.object_).ravel().tolist()
                flat = [value.encode() if isinstance(value, str) else value for value in flat]
                getattr(made.contents, TYPED[tensor["datatype"]] + "_contents").extend(flat)
            else:
                message.raw_input_contents.append(data)
        for output in body.get("outputs", []):
            message.outputs.add(name=output.get("name", ""))
        yield message.SerializeToString()


def access_files():
    """Access files; a key set stands where its file's name would."""
    keys = json.dumps({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "one", "alg": "EdDSA",
                                 "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})
    for text in [*code("toml"), *strings("server/access")]:
        text = text.replace("4a1d...", "4a" * 32).replace("jwks.json", keys.replace('"', '\\"'))
        yield "# access\n" + text


def server_files():
    """Configurations of the server: the documentation's, the tests', and one for each option and kind of value."""
    yield from (f"# server\n{text}" for text in [*code("toml"), *strings("server/src/config")])
    for option in OPTION.findall((ROOT / "docs" / "config.md").read_text()):
        for value in ("2", "true", '"a"', '["a"]'):
            yield f'# server\nmodel_repository = ["models"]\n{option.replace("-", "_")} = {value}\n'


def seeds():
    bodies = list(requests())
    yield "rest_json", (json.dumps(body) for body in bodies)
    yield "rest_json", strings("server/api")
    yield "rest_binary", (seed for body in bodies for seed in framed(body))
    yield "grpc_infer", (seed for body in bodies for seed in messages(body))
    yield "model_config", (path.read_text() for path in sorted((ROOT / "model-repo").glob("*/config.pbtxt")))
    yield "model_config", [*strings("server/runtime/src/config"), *code("protobuf"), *code("text")]
    yield "toml", [*code("toml"), *strings("server/runtime/src/traffic")]
    yield "toml", access_files()
    yield "toml", server_files()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "corpus")
    out = parser.parse_args().out
    counts = {}
    for target, made in seeds():
        (out / target).mkdir(parents=True, exist_ok=True)
        for seed in made:
            seed = seed.encode() if isinstance(seed, str) else seed
            if len(seed) <= LARGEST:
                (out / target / hashlib.sha1(seed).hexdigest()).write_bytes(seed)
        counts[target] = len(list((out / target).iterdir()))
    print(f"seeds in {out}:", ", ".join(f"{target} {count}" for target, count in counts.items()))


if __name__ == "__main__":
    main()
