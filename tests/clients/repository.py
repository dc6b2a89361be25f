"""Small ONNX models that tests put into a repository of their own."""
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = [helper.make_opsetid("", 17)]


def place(repository, name, model, version=1, config=None):
    """Writes <repository>/<name>/<version>/model.onnx, in one step also over an old one, and its config.pbtxt."""
    folder = repository / name
    folder.mkdir(parents=True, exist_ok=True)
    if config is not None:
        (folder / "config.pbtxt").write_text(config)
    aside = repository / f".{name}.{version}.new"
    aside.mkdir()
    (aside / "model.onnx").write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    target = folder / str(version)
    if target.exists():
        (aside / "model.onnx").replace(target / "model.onnx")
        aside.rmdir()
    else:
        aside.rename(target)
    return folder


def _model(nodes, inputs, outputs, constants=()):
    graph = helper.make_graph(nodes, "test", inputs, outputs,
                              [numpy_helper.from_array(value, name) for name, value in constants])
    model = helper.make_model(graph, opset_imports=OPSET, ir_version=8)
    onnx.checker.check_model(model)
    return model


def _tensor(name, shape, dtype=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, dtype, shape)


def identity(dtype=TensorProto.FLOAT, shape=("batch", 4)):
    """y is x."""
    return _model([helper.make_node("Identity", ["x"], ["y"])],
                  [_tensor("x", shape, dtype)], [_tensor("y", shape, dtype)])


def every_type():
    """One input and output of every datatype of the protocol that ONNX has, [batch, 2]."""
    types = {"BOOL": "BOOL", "UINT8": "UINT8", "UINT16": "UINT16", "UINT32": "UINT32", "UINT64": "UINT64",
             "INT8": "INT8", "INT16": "INT16", "INT32": "INT32", "INT64": "INT64", "FP16": "FLOAT16",
             "FP32": "FLOAT", "FP64": "DOUBLE", "BYTES": "STRING", "BF16": "BFLOAT16"}
    nodes, inputs, outputs = [], [], []
    for name, kind in types.items():
        dtype = getattr(TensorProto, kind)
        nodes.append(helper.make_node("Identity", [name], [f"{name}_OUT"]))
        inputs.append(_tensor(name, ("batch", 2), dtype))
        outputs.append(_tensor(f"{name}_OUT", ("batch", 2), dtype))
    return _model(nodes, inputs, outputs)


def scaled(factor, width=64):
    """product is x times the factor, through a dense matrix; plus is x and the factor."""
    matrix = np.eye(width, dtype=np.float32) * np.float32(factor)
    nodes = [helper.make_node("MatMul", ["x", "matrix"], ["product"]),
             helper.make_node("Add", ["x", "factor"], ["plus"])]
    return _model(nodes, [_tensor("x", ("batch", width))],
                  [_tensor("product", ("batch", width)), _tensor("plus", ("batch", width))],
                  [("matrix", matrix), ("factor", np.array(factor, np.float32))])


def failing(width=64):
    """As scaled(1), but it fails for every x whose largest number is 1 or more."""
    nodes = [helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
             helper.make_node("Cast", ["most"], ["index"], to=TensorProto.INT64),
             helper.make_node("Gather", ["table", "index"], ["row"]),
             helper.make_node("Mul", ["x", "row"], ["product"]),
             helper.make_node("Add", ["x", "row"], ["plus"])]
    return _model(nodes, [_tensor("x", ("batch", width))],
                  [_tensor("product", ("batch", width)), _tensor("plus", ("batch", width))],
                  [("table", np.ones((1, width), np.float32))])


def hungry(width=64):
    """As scaled(1), but it asks for 32 GiB for every x whose largest number is 1."""
    nodes = [helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
             helper.make_node("Cast", ["most"], ["times"], to=TensorProto.INT64),
             helper.make_node("Mul", ["times", "many"], ["more"]),
             helper.make_node("Add", ["more", "one"], ["shape"]),
             helper.make_node("ConstantOfShape", ["shape"], ["zeros"]),
             helper.make_node("ReduceMax", ["zeros"], ["zero"], keepdims=0),
             helper.make_node("Add", ["x", "zero"], ["product"]),
             helper.make_node("Add", ["x", "one_more"], ["plus"])]
    return _model(nodes, [_tensor("x", ("batch", width))],
                  [_tensor("product", ("batch", width)), _tensor("plus", ("batch", width))],
                  [("many", np.array([1 << 33], np.int64)), ("one", np.array([1], np.int64)),
                   ("one_more", np.array(1, np.float32))])


def slow(steps):
    """y is x, [batch, 1], after `steps` products of 1536 x 1536 matrices for each row (7 GFLOP each)."""
    size = 1536
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["matrix"],
                         value=numpy_helper.from_array(np.array([1 / size], np.float32))),
        helper.make_node("Unsqueeze", ["x", "last"], ["scalar"]),
        helper.make_node("Mul", ["scalar", "matrix"], ["step0"]),
        *(helper.make_node("MatMul", [f"step{i}", "matrix"], [f"step{i + 1}"]) for i in range(steps)),
        helper.make_node("ReduceMean", [f"step{steps}"], ["mean"], axes=[1, 2], keepdims=1),
        helper.make_node("Squeeze", ["mean", "last"], ["row"]),
        helper.make_node("Mul", ["row", "size"], ["y"]),
    ]
    return _model(nodes, [_tensor("x", ("batch", 1))], [_tensor("y", ("batch", 1))],
                  [("shape", np.array([size, size], np.int64)), ("last", np.array([2], np.int64)),
                   ("size", np.array(size, np.float32))])


def endless():
    """y is x, [batch, 1], and as many products of large matrices as x says: none for zeros, a life long for many."""
    size = 1024
    body = helper.make_graph(
        [helper.make_node("Identity", ["go_on"], ["still"]), helper.make_node("MatMul", ["m", "step"], ["next"])],
        "product", [_tensor("i", (), TensorProto.INT64), _tensor("go_on", (), TensorProto.BOOL), _tensor("m", (size, size))],
        [_tensor("still", (), TensorProto.BOOL), _tensor("next", (size, size))])
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
        helper.make_node("Cast", ["most"], ["times"], to=TensorProto.INT64),
        helper.make_node("Loop", ["times", "go_on_at_first", "step"], ["product"], body=body),
        helper.make_node("ReduceMean", ["product"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "nothing"], ["zero"]),
        helper.make_node("Add", ["x", "zero"], ["y"]),
    ]
    return _model(nodes, [_tensor("x", ("batch", 1))], [_tensor("y", ("batch", 1))],
                  [("step", np.full((size, size), 1 / size, np.float32)), ("go_on_at_first", np.array(True)),
                   ("nothing", np.array(0, np.float32))])


def unknown_operator():
    """A model that nobody can run."""
    node = helper.make_node("Frobnicate", ["x"], ["y"], name="the_odd_one")
    graph = helper.make_graph([node], "test", [_tensor("x", ("batch", 4))], [_tensor("y", ("batch", 4))])
    return helper.make_model(graph, opset_imports=OPSET, ir_version=8)
