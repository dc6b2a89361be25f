#!/usr/bin/env python3
"""Makes models/identity: y is x, 16 numbers a row. What serving it costs is the server's own work."""
import pathlib

import onnx
from onnx import TensorProto, helper

FOLDER = pathlib.Path(__file__).parent / "models" / "identity"


def main():
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 16]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "identity", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    (FOLDER / "1").mkdir(parents=True, exist_ok=True)
    (FOLDER / "1" / "model.onnx").write_bytes(model.SerializeToString())
    (FOLDER / "config.pbtxt").write_text("# y is x: see load-tests/identity.py.\nmax_batch_size: 64\ndynamic_batching { }\n")


if __name__ == "__main__":
    main()
