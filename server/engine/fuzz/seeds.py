#!/usr/bin/env python3
"""Makes the fuzz targets' seeds from the node models of the `onnx` package and the models of this repository.

    pip install onnx
    python3 server/engine/fuzz/seeds.py            # into server/engine/fuzz/corpus/{import,load,safetensors}

Each node model gives up to three files: as it is; with its integer inputs (shapes, axes, indices) made
constants, so that made-up numbers do not stop it at once; with all inputs made constants, so that it is
computed when it is loaded. Files above 16 KB are left out. Models in safetensors are described as text
(tests/load/architectures/described.rs), and once as they are.
"""

import argparse
import gzip
import hashlib
import json
from pathlib import Path

import onnx
from onnx import TensorProto

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
LARGEST = 16 << 10
INTEGERS = {TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL}


def models():
    """The folders of the package's suites and of our own, and the exports of PyTorch."""
    suites = Path(onnx.__file__).parent / "backend" / "test" / "data"
    folders = [suites / name for name in ("node", "simple", "pytorch-operator", "pytorch-converted")]
    for folder in [*folders, ROOT / "tests" / "conformance" / "microsoft"]:
        yield from sorted(folder.glob("*/model.onnx"))


def data(model, path):
    """The case's inputs that are tensors, by name."""
    tensors = {}
    for index, value in enumerate(model.graph.input):
        file = path.parent / "test_data_set_0" / f"input_{index}.pb"
        if value.type.HasField("tensor_type") and file.exists():
            tensor = TensorProto.FromString(file.read_bytes())
            tensor.name = value.name
            tensors[value.name] = tensor
    return tensors


def baked(model, tensors):
    """The model with these inputs made constants."""
    out = onnx.ModelProto()
    out.CopyFrom(model)
    kept = [value for value in out.graph.input if value.name not in tensors]
    del out.graph.input[:]
    out.graph.input.extend(kept)
    out.graph.initializer.extend(tensors.values())
    return out


def variants(path):
    model = onnx.load(path)
    tensors = data(model, path)
    yield model
    integers = {name: tensor for name, tensor in tensors.items() if tensor.data_type in INTEGERS}
    if 0 < len(integers) < len(tensors):
        yield baked(model, integers)
    if tensors:
        yield baked(model, tensors)


def seeds():
    for path in models():
        for model in variants(path):
            yield model.SerializeToString()
    for path in sorted((ROOT / "tests" / "models" / "graphs").glob("*.onnx.gz")):
        yield gzip.decompress(path.read_bytes())


def saved():
    """The saved models that are one file, described and as they are."""
    for path in sorted((ROOT / "server" / "engine" / "tests" / "safetensors").glob("*/model.safetensors")):
        file, folder = path.read_bytes(), path.parent
        length = int.from_bytes(file[:8], "little")
        header = {name: info for name, info in json.loads(file[8:8 + length]).items() if name != "__metadata__"}
        lines = [f"{name} {info['dtype']} {','.join(map(str, info['shape']))}" for name, info in sorted(header.items())]
        config, *beside = [(folder / name).read_text() if (folder / name).exists() else ""
                           for name in ("config.json", "modules.json", "1_Pooling/config.json")]
        yield "\n---\n".join([config, *beside, "\n".join(lines)]).encode()
        yield f"raw\n{config}\n---\n".encode() + file


def write(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        (folder / hashlib.sha1(file).hexdigest()).write_bytes(file)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "corpus")
    out = parser.parse_args().out
    files = {seed for seed in seeds() if len(seed) <= LARGEST}
    write(out / "import", files)
    write(out / "load", files)
    described = {seed for seed in saved() if len(seed) <= LARGEST}
    write(out / "safetensors", described)
    print(f"{len(files)} seeds of ONNX, {sum(map(len, files)) >> 10} KB, and {len(described)} of safetensors, in {out}")


if __name__ == "__main__":
    main()
