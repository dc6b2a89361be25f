#!/usr/bin/env python3
"""PyTorch's times for the models of `models.py`: eager, replayed CUDA graph, torch.compile.

    python3 load-tests/gpu/rivals.py FOLDER [--only minilm] [--compile] [--device cpu] [--seconds 0.3]
Prints one JSON object a line for each case of `cases.py`: medians in microseconds, the device synchronised after each
call. Inputs lie on the device; `graph_copies_us` has the copies from and to pinned memory inside of the graph.
`error` is PyTorch's own at that precision against its float32 answer, as a part of the largest output.
Encoders are timed as the fastest plain module that says the same: fused projections, attention without a mask.
"""
import argparse
import json
import pathlib
import statistics
import time

import onnx
import onnx.numpy_helper
import torch
from torch import nn

import models
from cases import CASES

DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "fp16": torch.float16}
WARM_UP_CALLS = 3
FEWEST_CALLS = 7


class PlainLayer(nn.Module):
    def __init__(self, layer):
        super().__init__()
        attention = layer.attention.self
        parts = (attention.query, attention.key, attention.value)
        self.heads = attention.num_attention_heads
        self.qkv = nn.Linear(parts[0].in_features, 3 * parts[0].out_features)
        self.qkv.weight.data = torch.cat([part.weight.data for part in parts])
        self.qkv.bias.data = torch.cat([part.bias.data for part in parts])
        self.project, self.norm = layer.attention.output.dense, layer.attention.output.LayerNorm
        self.up, self.down, self.last_norm = layer.intermediate.dense, layer.output.dense, layer.output.LayerNorm

    def forward(self, x):
        rows, length, hidden = x.shape
        q, k, v = self.qkv(x).view(rows, length, 3, self.heads, hidden // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(rows, length, hidden)
        x = self.norm(x + self.project(mixed))
        return self.last_norm(x + self.down(nn.functional.gelu(self.up(x))))


class PlainEncoder(nn.Module):
    """What `models.Encoder` computes for full sequences of one segment."""

    def __init__(self, encoder):
        super().__init__()
        embeddings = encoder.bert.embeddings
        self.words, self.norm = embeddings.word_embeddings, embeddings.LayerNorm
        places = embeddings.position_embeddings.weight[:models.SEQUENCE] + embeddings.token_type_embeddings.weight[0]
        self.register_buffer("places", places.detach())
        self.layers = nn.ModuleList(PlainLayer(layer) for layer in encoder.bert.encoder.layer)

    def forward(self, input_ids):
        x = self.norm(self.words(input_ids) + self.places)
        for layer in self.layers:
            x = layer(x)
        return x


class Rival:
    """A model at one precision on one device."""

    def __init__(self, folder, name, precision, device):
        self.folder, self.name, self.device, self.dtype = folder, name, device, DTYPES[precision]
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"
        whole = models.load(name, folder)
        self.is_encoder = isinstance(whole, models.Encoder)
        plain = PlainEncoder(whole) if self.is_encoder else whole
        self.channels_last = name == "resnet50" and precision == "fp16"
        self.module, self.whole = self._placed(plain), self._placed(whole)

    def _placed(self, module):
        module = module.eval().to(self.device, self.dtype)
        return module.to(memory_format=torch.channels_last) if self.channels_last else module

    def tensor(self, tensor, pinned=False):
        """An input in the precision and the layout of the module, on the device or in pinned memory."""
        tensor = tensor.to(self.dtype) if tensor.is_floating_point() else tensor
        tensor = tensor.contiguous(memory_format=torch.channels_last) if self.channels_last else tensor
        return tensor.pin_memory() if pinned else tensor.to(self.device)

    def example(self, batch):
        """The only input of the timed module."""
        return next(iter(models.inputs(self.name, batch).values()))

    def error(self, batch):
        """The whole module's, masks and all."""
        data = self.folder / self.name / f"test_data_set_B{batch}" / "output_0.pb"
        want = torch.tensor(onnx.numpy_helper.to_array(onnx.load_tensor(data)))
        feed = [self.tensor(tensor) for tensor in models.inputs(self.name, batch).values()]
        got = self.whole(*feed).float().cpu()
        return ((got - want).abs().max() / want.abs().max()).item()

    def plain_error(self, batch):
        """How far the timed module is from the whole one where both should say the same."""
        if not self.is_encoder:
            return 0.0
        ids = self.example(batch).to(self.device)
        want = self.whole(ids, torch.ones_like(ids), torch.zeros_like(ids)).float()
        return ((self.module(ids).float() - want).abs().max() / want.abs().max()).item()


def synchronise():
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def median_us(call, seconds):
    """Of calls that are each waited for, after a third as long of warming up."""
    def run(least, until):
        took = []
        while len(took) < least or time.perf_counter() < until:
            begin = time.perf_counter()
            call()
            synchronise()
            took.append((time.perf_counter() - begin) * 1e6)
        return took

    run(WARM_UP_CALLS, time.perf_counter() + seconds / 3)
    return statistics.median(run(FEWEST_CALLS, time.perf_counter() + seconds))


def captured(call):
    """The call as a replayed CUDA graph. It works on the call's own memory, so what is returned keeps the call."""
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(WARM_UP_CALLS):
            call()
    torch.cuda.current_stream().wait_stream(aside)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()

    def replay(_call=call):
        graph.replay()

    return replay


def with_copies(rival, batch):
    """A call that takes its input from pinned memory and leaves its output there."""
    given = rival.tensor(rival.example(batch), pinned=True)
    placed = torch.empty_like(given, device=rival.device)
    taken = torch.empty_like(rival.module(placed.copy_(given)), device="cpu", pin_memory=True)

    def call():
        placed.copy_(given, non_blocking=True)
        taken.copy_(rival.module(placed), non_blocking=True)

    return call


def measure(folder, case, device, seconds):
    """Medians of the case; what cannot be had on this device is left out."""
    rival = Rival(folder, case.model, case.precision, device)
    x = rival.tensor(rival.example(case.batch))
    with torch.inference_mode():
        found = {"error": rival.error(case.batch), "plain_error": rival.plain_error(case.batch),
                 "eager_us": median_us(lambda: rival.module(x), seconds)}
        if device == "cuda":
            found["graph_us"] = median_us(captured(lambda: rival.module(x)), seconds)
            found["graph_copies_us"] = median_us(captured(with_copies(rival, case.batch)), seconds)
    return found


def measure_compiled(folder, case, device, seconds):
    """As `measure`, for torch.compile, of encoders in half precision: compiling each shape takes 5 to 13 s."""
    if device != "cuda" or not case.is_half_encoder():
        return {}
    rival = Rival(folder, case.model, case.precision, device)
    x = rival.tensor(rival.example(case.batch))
    torch._dynamo.reset()
    module = torch.compile(rival.module, mode="reduce-overhead", dynamic=False)
    with torch.inference_mode():
        return {"compile_us": median_us(lambda: module(x), seconds)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--only", type=lambda text: text.split(","), default=sorted({case.model for case in CASES}))
    parser.add_argument("--precision", choices=DTYPES, help="this one instead of each case's")
    parser.add_argument("--compile", action="store_true", help="torch.compile too")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--seconds", type=float, default=0.3, help="of each measurement")
    options = parser.parse_args()
    for case in CASES:
        if case.model in options.only:
            case = case._replace(precision=options.precision or case.precision)
            found = measure(options.folder, case, options.device, options.seconds)
            if options.compile:
                found |= measure_compiled(options.folder, case, options.device, options.seconds)
            print(json.dumps(case._asdict() | found), flush=True)


if __name__ == "__main__":
    main()
