#!/usr/bin/env python3
"""The GPU benchmark's models: ONNX files from PyTorch with random weights, and what PyTorch answers to made-up inputs.

    python3 load-tests/gpu/models.py FOLDER [--only minilm,lstm]
Each model becomes a folder in the layout of ONNX's test suite: NAME/model.onnx and, for each batch that is measured,
NAME/test_data_set_B<rows>/input_<i>.pb and output_<i>.pb, all in float32. NAME/weights.pt has the same weights for
`load`. FOLDER/models.json comes last, so that a folder that has it is complete. Equal from run to run: seeds are fixed.
"""
import argparse
import dataclasses
import json
import math
import pathlib
import time
import typing
import warnings

import onnx.numpy_helper
import torch
import transformers
from torch import nn

SEED = 13
OPSET = 17
SEQUENCE, STEPS = 128, 60
MANIFEST = "models.json"


class Encoder(nn.Module):
    """BERT with the additive mask that published ONNX files of sentence encoders have: one row of it a sequence."""

    def __init__(self, hidden, layers, wide, heads=12):
        super().__init__()
        config = transformers.BertConfig(
            hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads, intermediate_size=wide,
            initializer_range=0.7 / math.sqrt(hidden))
        self.bert = transformers.BertModel(config, add_pooling_layer=False)
        for name, parameter in self.named_parameters():  # as they come, biases are zeros and say nothing
            if name.endswith("bias"):
                nn.init.normal_(parameter, 0, 0.05)
            elif "LayerNorm" in name:
                nn.init.normal_(parameter, 1, 0.05)
        # Trained encoders have a channel that stands out; errors are measured by the largest output.
        self.bert.encoder.layer[-1].output.LayerNorm.bias.data[hidden // 3] = 6

    def forward(self, input_ids, attention_mask, token_type_ids):
        kind = self.bert.dtype
        mask = (1 - attention_mask[:, None, None, :].to(kind)) * torch.finfo(kind).min
        return self.bert(input_ids=input_ids, attention_mask=mask, token_type_ids=token_type_ids).last_hidden_state


class SentenceEncoder(Encoder):
    """What is served: one vector a sequence, the mean over its tokens, of length one."""

    def forward(self, input_ids, attention_mask, token_type_ids):
        states = super().forward(input_ids, attention_mask, token_type_ids)
        real = attention_mask[:, :, None].to(states.dtype)
        mean = (states * real).sum(1) / real.sum(1)
        return mean / mean.norm(dim=1, keepdim=True)


class ResNet(nn.Module):
    """ResNet-50 v1.5 with the statistics of `images`, and blocks that add little, as trained ones do: both keep
    activations of the size of one and rounding from growing with depth."""

    def __init__(self):
        super().__init__()
        config = transformers.ResNetConfig(
            depths=[3, 4, 6, 3], hidden_sizes=[256, 512, 1024, 2048], layer_type="bottleneck",
            downsample_in_bottleneck=False, num_labels=1000)
        self.resnet = transformers.ResNetForImageClassification(config)
        for name, module in self.named_modules():
            if isinstance(module, nn.BatchNorm2d):
                most = 0.1 if name.endswith("layer.2.normalization") else 1
                nn.init.uniform_(module.weight, most / 2, most)
                nn.init.normal_(module.bias, 0, most / 10)
                module.momentum = 1  # the next batch's statistics become its own
        with torch.no_grad():
            self.train()(images(8)["pixel_values"])

    def forward(self, pixel_values):
        return self.resnet(pixel_values).logits


def images(rows):
    """Coarse patches with some noise: plain noise looks all the same after a few layers."""
    patches = nn.functional.interpolate(torch.randn(rows, 3, 7, 7), size=(224, 224), mode="bilinear")
    return {"pixel_values": patches + 0.2 * torch.randn(rows, 3, 224, 224)}


def livelier(module):
    """The module with weights twice as large: as they come, little of the input is left after a few layers."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(2)
    return module


class Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = livelier(nn.LSTM(16, 128, 2, batch_first=True))

    def forward(self, steps):
        return self.lstm(steps)[0][:, -1]


def mlp():
    return livelier(nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 2)))


def tokens(rows):
    """Sequences of different lengths, the first one full; the second half of each is another segment."""
    lengths = torch.tensor([SEQUENCE - row * 29 % 97 for row in range(rows)])
    place = torch.arange(SEQUENCE).expand(rows, -1)
    return {
        "input_ids": torch.randint(0, 30522, (rows, SEQUENCE)),
        "attention_mask": (place < lengths[:, None]).long(),
        "token_type_ids": (place >= SEQUENCE // 2).long(),
    }


@dataclasses.dataclass(frozen=True)
class Benchmark:
    make: typing.Callable[[], nn.Module]
    inputs: typing.Callable[[int], dict]  # values of a batch by the inputs' names
    output: str
    batches: tuple
    sequence: int = 0  # the size of the free dimension `sequence`, where inputs have one behind the batch
    sequences_out: bool = False  # whether the output has it too


MODELS = {
    "minilm": Benchmark(lambda: Encoder(384, 6, 1536), tokens, "last_hidden_state", (1, 8, 32, 128), SEQUENCE, True),
    "minilm_sentence": Benchmark(lambda: SentenceEncoder(384, 6, 1536), tokens, "sentence_embedding", (1, 8), SEQUENCE),
    "bert_base": Benchmark(lambda: Encoder(768, 12, 3072), tokens, "last_hidden_state", (1, 8, 32, 128), SEQUENCE,
                           True),
    "resnet50": Benchmark(ResNet, images, "logits", (1, 8, 32)),
    "lstm": Benchmark(Lstm, lambda rows: {"steps": torch.randn(rows, STEPS, 16)}, "last", (1, 8, 32, 256), STEPS),
    "mlp": Benchmark(mlp, lambda rows: {"features": torch.randn(rows, 64)}, "scores", (1, 8, 1024)),
}


def build(name):
    torch.manual_seed(SEED)
    return MODELS[name].make().eval()


def load(name, folder):
    """The module of which `folder` has the ONNX file, with the same weights."""
    module = build(name)
    module.load_state_dict(torch.load(folder / name / "weights.pt"))
    return module


def inputs(name, rows):
    torch.manual_seed(SEED + rows)
    return MODELS[name].inputs(rows)


def export(module, benchmark, file):
    """Through TorchScript: seconds, and the graphs that most published files have."""
    example = benchmark.inputs(2)
    axes = {0: "batch", 1: "sequence"} if benchmark.sequence else {0: "batch"}
    free = dict.fromkeys(example, axes) | {benchmark.output: axes if benchmark.sequences_out else {0: "batch"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what tracing fixes is compared with PyTorch at other sizes
        torch.onnx.export(module, tuple(example.values()), file, dynamo=False, opset_version=OPSET,
                          input_names=list(example), output_names=[benchmark.output], dynamic_axes=free)


def write_tensors(folder, kind, tensors):
    for index, (name, tensor) in enumerate(tensors.items()):
        proto = onnx.numpy_helper.from_array(tensor.numpy(), name)
        (folder / f"{kind}_{index}.pb").write_bytes(proto.SerializeToString())


def write(name, folder):
    """The model's folder; returns its part of the manifest."""
    benchmark, module = MODELS[name], build(name)
    folder.mkdir(parents=True, exist_ok=True)
    export(module, benchmark, folder / "model.onnx")
    torch.save(module.state_dict(), folder / "weights.pt")
    for rows in benchmark.batches:
        data = folder / f"test_data_set_B{rows}"
        data.mkdir(exist_ok=True)
        feed = inputs(name, rows)
        with torch.inference_mode():
            answer = module(*feed.values())
        write_tensors(data, "input", feed)
        write_tensors(data, "output", {benchmark.output: answer})
    return {"dims": {"sequence": benchmark.sequence} if benchmark.sequence else {}, "batches": benchmark.batches}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(MODELS))
    options = parser.parse_args()
    file = options.folder / MANIFEST
    manifest = json.loads(file.read_text()) if file.exists() else {}
    for name in options.only:
        begin = time.perf_counter()
        manifest[name] = write(name, options.folder / name)
        print(f"{name}: {time.perf_counter() - begin:.1f} s", flush=True)
    file.write_text(json.dumps(manifest, indent=1))


if __name__ == "__main__":
    main()
