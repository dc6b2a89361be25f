#!/usr/bin/env python3
"""Makes the fuzz targets' seeds from the node models of the `onnx` package and the models of this repository.

    pip install onnx
    python3 server/engine/fuzz/seeds.py            # into server/engine/fuzz/corpus/{import,load}

Each node model gives up to three files: as it is; with its integer inputs (shapes, axes, indices) made
constants, so that made-up numbers do not stop it at once; with all inputs made constants, so that it is
computed when it is loaded. Files above 16 KB are left out.
"""

import argparse
import gzip
import hashlib
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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "corpus")
    out = parser.parse_args().out
    files = {hashlib.sha1(seed).hexdigest(): seed for seed in seeds() if len(seed) <= LARGEST}
    for target in ("import", "load"):
        (out / target).mkdir(parents=True, exist_ok=True)
        for name, seed in files.items():
            (out / target / name).write_bytes(seed)
    print(f"{len(files)} seeds, {sum(map(len, files.values())) >> 10} KB, for each target in {out}")


if __name__ == "__main__":
    main()
