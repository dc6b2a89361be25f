"""Takes the weights out of an exported ONNX graph, and puts them back.

A graph in graphs/ is what an exporter wrote, node for node, less the data of its large float initializers and the
exporter's notes (stack traces with the paths of the machine that exported). Each of those
initializers keeps its name, dtype and shape, and its doc_string holds a recipe (JSON behind MARK) for its values:
  {"constant": c}                      every element is c
  {"uniform": [low, high]}             all elements had one sign (variances): keep them inside the range they had
  {"normal": [mean, deviation]}        any other weight
  {"normal": ..., "centred": true}     a filter whose weights sum to 0 (see vision in export_torch.py)
  {"from": name, "transpose": bool}    a tensor of someone's published weights
Small initializers and everything that is not float (shapes, masks, indices) stay in the file verbatim.
Filling is deterministic: the seed of a tensor comes from the graph's and the tensor's names alone.
"""
import gzip
import json
import zlib

import numpy as np
import onnx
from onnx import numpy_helper

MARK = "girandole-weights:"
KEEP_ELEMENTS = 64  # an initializer up to this size is kept as it is


def strip(model, published=None):
    """Replaces the data of `model`'s large float initializers by recipes, in place.

    published: {name: array} of the weights the graph was exported with; then every large initializer must be one of
    them (or its transpose), since a made-up weight would break somebody's trained model.
    """
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size <= KEEP_ELEMENTS:
            continue
        recipe = _find(values, published, tensor.name) if published else _describe(values)
        bare = onnx.TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
        bare.doc_string = MARK + json.dumps(recipe)
        tensor.CopyFrom(bare)
    _forget_notes(model)
    return model


def fill(model, graph_name, published=None):
    """The reverse of strip: gives every initializer with a recipe its values, in place."""
    for tensor in model.graph.initializer:
        if not tensor.doc_string.startswith(MARK):
            continue
        recipe = json.loads(tensor.doc_string[len(MARK):])
        values = _make(recipe, tuple(tensor.dims), f"{graph_name}/{tensor.name}", published)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return model


def save_graph(model, path):
    """Writes a stripped graph, compressed; the same graph always gives the same bytes (no time stamp)."""
    path.write_bytes(gzip.compress(model.SerializeToString(deterministic=True), 9, mtime=0))


def load_graph(path):
    """Reads what save_graph wrote."""
    return onnx.load_model_from_string(gzip.decompress(path.read_bytes()))


def read_safetensors(data):
    """{name: array} of a safetensors file's bytes; float32 tensors only, the rest is left out."""
    length = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8:8 + length]), memoryview(data)[8 + length:]
    return {
        name: np.frombuffer(body[slice(*entry["data_offsets"])], np.float32).reshape(entry["shape"])
        for name, entry in header.items() if name != "__metadata__" and entry["dtype"] == "F32"
    }


def _forget_notes(model):
    del model.metadata_props[:], model.graph.metadata_props[:]
    for part in [*model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output]:
        part.doc_string = ""
        del part.metadata_props[:]


def _describe(values):
    low, high, deviation = float(values.min()), float(values.max()), float(values.std())
    if low == high:
        return {"constant": low}
    if low > 0 or high < 0:
        return {"uniform": [low, high]}
    recipe = {"normal": [float(values.mean()), deviation]}
    if values.ndim == 4 and np.abs(_filter_means(values)).max() < 1e-4 * deviation:
        recipe["centred"] = True
    return recipe


def _filter_means(values):
    return values.mean(axis=(1, 2, 3), keepdims=True)


def _find(values, published, wanted):
    for name, candidate in published.items():
        if candidate.shape == values.shape and np.array_equal(candidate, values):
            return {"from": name, "transpose": False}
        if values.ndim == 2 and candidate.shape == values.shape[::-1] and np.array_equal(candidate.T, values):
            return {"from": name, "transpose": True}
    raise ValueError(f"initializer {wanted} {values.shape} is none of the published weights")


def _make(recipe, shape, seed_name, published):
    if "from" in recipe:
        values = published[recipe["from"]]
        return np.ascontiguousarray(values.T if recipe["transpose"] else values).reshape(shape)
    if "constant" in recipe:
        return np.full(shape, recipe["constant"], np.float32)
    rng = np.random.default_rng(zlib.crc32(seed_name.encode()))
    if "uniform" in recipe:
        return rng.uniform(*recipe["uniform"], shape).astype(np.float32)
    mean, deviation = recipe["normal"]
    values = (mean + deviation * rng.standard_normal(shape)).astype(np.float32)
    return values - _filter_means(values) if recipe.get("centred") else values
