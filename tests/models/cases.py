"""What the real models are asked, and what ONNX Runtime answers.

fetch.py makes the inputs here (seeded; several batch sizes and lengths a model, and the odd shapes that batching and
padding meet) and keeps them beside each model in the layout of ONNX's own test suites, which every ONNX tool reads:
    <model>/test_data_set_<i>/input_<k>.pb, output_<k>.pb      (TensorProto, with the tensor's name inside)
A test then needs no Python: it sends the inputs to a server and compares (rtol 1e-3, atol 1e-5). In Python:
    for inputs in cases("lstm_dynamo"): ...
    for inputs, outputs in answered("lstm_dynamo"): ...
An output of type sequence<map> (ZipMap) is kept as the [N, classes] tensor of the maps' values in key order.
"""
import pathlib
import re

import numpy as np
import onnx
from onnx import numpy_helper

REPOSITORY = pathlib.Path(__file__).parents[2] / "target" / "real-models"


def cases(name, repository=REPOSITORY):
    """The inputs of every case of a fetched model: [{input name: array}]."""
    return [inputs for inputs, _ in answered(name, repository)]


def answered(name, repository=REPOSITORY):
    """The inputs and ONNX Runtime's outputs of every case: [({name: array}, {name: array})]."""
    folders = sorted(pathlib.Path(repository, name).glob("test_data_set_*"), key=_number)
    return [(_read(folder, "input"), _read(folder, "output")) for folder in folders]


def write(folder, session, inputs):
    """Runs one case and writes it with its answer. Raises if a number in the answer is not finite."""
    folder.mkdir(parents=True)
    for k, node in enumerate(session.get_inputs()):
        _write(folder / f"input_{k}.pb", node.name, inputs[node.name])
    for k, (node, value) in enumerate(zip(session.get_outputs(), session.run(None, inputs))):
        value = _untangle(value)
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise ValueError(f"output {node.name} has numbers that are not finite")
        _write(folder / f"output_{k}.pb", node.name, value)


def make(name, rows=None):
    """The inputs to ask a model: [{input name: array}]. `rows`: for tables, the rows to cut the batches from."""
    if rows is not None:
        batches = (slice(0, 1), slice(1, 8), slice(0, 50))
        return [{key: column[batch] for key, column in rows.items()} for batch in batches]
    rng = np.random.default_rng(20)
    pattern, build = next((p, b) for p, b in _BUILDERS if re.fullmatch(p, name))
    return build(rng)


def _number(path):
    return int(re.search(r"\d+$", path.stem)[0])


def _read(folder, kind):
    paths = sorted(folder.glob(f"{kind}_*.pb"), key=_number)
    tensors = [onnx.TensorProto.FromString(path.read_bytes()) for path in paths]
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in tensors}


def _write(path, name, value):
    path.write_bytes(numpy_helper.from_array(np.asarray(value), name).SerializeToString())


def _untangle(value):
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return np.array([[row[key] for key in sorted(row)] for row in value], np.float32)
    return np.asarray(value)


def _floats(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


def _single(key, *shapes):
    return lambda rng: [{key: _floats(rng, *shape)} for shape in shapes]


def _tokens(rng, batch, length):
    """Token ids as a tokenizer gives them: [CLS] words [SEP], padded on the right; the first row is never padded."""
    ids, mask = np.zeros((2, batch, length), np.int64)
    for row in range(batch):
        used = length if row == 0 else int(rng.integers(2, length + 1))
        ids[row, :used] = rng.integers(1000, 30000, used)
        ids[row, 0], ids[row, used - 1], mask[row, :used] = 101, 102, 1
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}


def _text(rng):
    return [_tokens(rng, *shape) for shape in ((1, 6), (1, 64), (3, 17), (8, 32), (2, 128))]


def _files(rng):
    """Magika's view of a file: its first and last 1,024 bytes, 256 where there is none."""
    contents = [
        b"#!/usr/bin/env python3\nimport sys\n\n\ndef main():\n    print('hello', sys.argv[1:])\n\n\nmain()\n" * 9,
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + rng.bytes(5000), b"name,age,city\n" + b"Ada,36,London\n" * 40,
        b"<!doctype html><html><body><p>hello</p></body></html>\n", rng.bytes(3000),
    ]
    rows = np.full((len(contents), 2048), 256, np.int32)
    for row, content in zip(rows, contents):
        head, tail = content[:1024], content[-1024:]
        row[:len(head)], row[2048 - len(tail):] = list(head), list(tail)
    return [{"bytes": rows[:1]}, {"bytes": rows[1:4]}, {"bytes": rows}]


def _page(rng, batch, height, width):
    """A page with lines of letter-like strokes, scaled as the OCR networks are fed (mean 0.5, deviation 0.5)."""
    page = np.ones((batch, 3, height, width), np.float32) * 0.9
    for top in range(6, height - 12, 24):
        for left in range(8, width - 8, 7):
            if rng.random() < 0.7:
                page[:, :, top:top + int(rng.integers(5, 13)), left:left + int(rng.integers(2, 6))] = 0.1
    return {"x": (page + 0.05 * _floats(rng, *page.shape)).astype(np.float32)}


def _pages(*shapes):
    return lambda rng: [_page(rng, *shape) for shape in shapes]


def _speech(rng, batch, samples, rate):
    """A voiced sound: harmonics of a gliding pitch under a slow envelope, and a little noise."""
    time = np.arange(samples) / rate + rng.random((batch, 1))
    voice = sum(np.sin(2 * np.pi * 130 * k * time + k) / k for k in range(1, 12)) * (0.6 + 0.4 * np.sin(9 * time))
    return (0.2 * voice + 0.01 * rng.standard_normal((batch, samples))).astype(np.float32)


def _silero(rates, batches, with_rate=True):
    """One step: 32 ms of sound behind a little of what came before, and the state that the last step left."""
    def build(rng):
        made = []
        for rate in rates:
            for batch in batches:
                state = np.zeros((2, batch, 128), np.float32) if batch == 1 else 0.3 * _floats(rng, 2, batch, 128)
                samples = {16000: 576, 8000: 288}[rate]
                case = {"input": _speech(rng, batch, samples, rate), "state": state}
                made.append(case | ({"sr": np.array(rate, np.int64)} if with_rate else {}))
        return made
    return build


def _silero_sequence(rng):
    states = [np.zeros((1, 1, 128), np.float32), 0.3 * _floats(rng, 1, 1, 128)]
    return [{"input": _speech(rng, length, 576, 16000), "h": state, "c": state}
            for length, state in zip((1, 40), states)]


_BUILDERS = [
    (r"mlp_.*", _single("input", (1, 64), (3, 64), (16, 64), (65, 64))),
    (r"(lstm|gru)_(torchscript|dynamo20)", _single("input", (1, 60, 16), (5, 60, 16), (2, 17, 16), (3, 1, 16))),
    (r"(lstm|gru)_dynamo", _single("input", (1, 60, 16), (5, 60, 16), (32, 60, 16))),
    (r"(resnet50|mobilenetv3)_.*", _single("input", (1, 3, 224, 224), (3, 3, 224, 224))),
    (r"(bert|minilm)_.*", _text),
    (r"magika", _files),
    (r"rapidocr_det", _pages((1, 96, 160), (1, 320, 224), (2, 64, 64))),
    (r"rapidocr_cls", _pages((1, 48, 192), (4, 48, 192))),
    (r"rapidocr_rec", _pages((1, 48, 320), (3, 48, 160), (1, 48, 90))),
    (r"silero_vad|silero_vad_op18_ifless", _silero((16000, 8000), (1, 3))),
    (r"silero_vad_16k_op15", _silero((16000,), (1, 3))),
    (r"silero_vad_half", _silero((16000,), (1, 3), with_rate=False)),
    (r"silero_vad_openvino_16k", _silero((16000,), (1, 1), with_rate=False)),
    (r"silero_vad_16k_sequence", _silero_sequence),
]
