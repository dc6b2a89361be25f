#!/usr/bin/env python3
"""Writes server/engine/tests/safetensors/: tiny models as transformers and PyTorch save them, and their answers.

Run by hand when an architecture is added; the tests of the engine need its results only:
    pip install -r requirements-export.txt && python3 export_safetensors.py [NAME ...]

A folder holds what a version's folder would (model.safetensors, config.json, ...) and answers.safetensors: the inputs
that the model was asked, as `input.<name>`, and what it answered, as `output.<name>`. Weights are random, large enough
for every token and every masked token to show. Numbers are the same on every machine with the same PyTorch.
"""
import json
import pathlib
import shutil
import sys
import tempfile

import torch
import transformers
from safetensors.torch import save_file
from torch import nn

OUT = pathlib.Path(__file__).parents[2] / "server" / "engine" / "tests" / "safetensors"
SIZES = dict(vocab_size=32, hidden_size=16, num_hidden_layers=1, num_attention_heads=4, intermediate_size=24,
             max_position_embeddings=16, initializer_range=0.5, attn_implementation="eager")
DISTIL = dict(vocab_size=32, dim=16, n_layers=2, n_heads=2, hidden_dim=24, max_position_embeddings=16,
              initializer_range=0.5, attn_implementation="eager")
PADDING = {"bert": 0, "distilbert": 0, "roberta": 1, "xlm-roberta": 1}


def tokens(config):
    """Three rows of nine tokens, of which two are padded."""
    ids = torch.randint(3, 32, (3, 9))
    mask = torch.ones_like(ids)
    for row, length in ((1, 5), (2, 2)):
        mask[row, length:] = 0
        ids[row, length:] = PADDING[config.model_type]
    inputs = {"input_ids": ids, "attention_mask": mask}
    if config.model_type == "bert":
        inputs["token_type_ids"] = torch.randint(0, 2, ids.shape)
    return inputs


def disturb(model):
    """Biases and normalisations as training leaves them, not as they begin."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter += 0.3 * torch.randn_like(parameter)
    return model.eval()


def encoder(kind, config, dtype=None, shards=None):
    """A model of transformers: a function that saves it and gives inputs and answers."""
    def make(folder):
        model = disturb(getattr(transformers, kind)(config))
        if dtype:
            model.to(dtype)
        model.save_pretrained(folder, **({"max_shard_size": shards} if shards else {}))
        (folder / "generation_config.json").unlink(missing_ok=True)
        inputs = tokens(config)
        answers = model.float()(**inputs)
        return inputs, {name: value for name, value in answers.items() if torch.is_tensor(value)}
    return make


def sentence(kind, config, mode, normalize):
    """An encoder and the modules of sentence-transformers behind it."""
    def make(folder):
        inputs, answers = encoder(kind, config)(folder)
        names = ["Transformer", "Pooling"] + ["Normalize"] * normalize
        paths = ["", "1_Pooling", "2_Normalize"]
        modules = [{"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{name}"}
                   for i, (name, path) in enumerate(zip(names, paths))]
        (folder / "modules.json").write_text(json.dumps(modules, indent=2))
        (folder / "1_Pooling").mkdir()
        flags = {f"pooling_mode_{key}": key.startswith(mode) and "sqrt" not in key
                 for key in ("cls_token", "mean_tokens", "max_tokens", "mean_sqrt_len_tokens")}
        pooling = {"word_embedding_dimension": config.hidden_size, **flags}
        (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling, indent=2))
        states, mask = answers["last_hidden_state"], inputs["attention_mask"].unsqueeze(-1).float()
        pooled = {"cls": lambda: states[:, 0], "mean": lambda: (states * mask).sum(1) / mask.sum(1).clamp(min=1e-9),
                  "max": lambda: states.masked_fill(mask == 0, -1e9).max(1)[0]}[mode]()
        return inputs, {"sentence_embedding": nn.functional.normalize(pooled) if normalize else pooled}
    return make


def plain(module, config, inputs):
    """A module of PyTorch with a config.json of ours."""
    def make(folder):
        disturb(module)
        module.train()  # so that the statistics of BatchNorm are of something
        with torch.no_grad():
            module(torch.randn(64, *inputs.shape[1:]))
        module.eval()
        save_file(module.state_dict(), folder / "model.safetensors")
        (folder / "config.json").write_text(json.dumps(config, indent=2))
        return {config.get("input", "input"): inputs}, {config.get("output", "output"): module(inputs)}
    return make


class Forecaster(nn.Module):
    def __init__(self, kind, width, steps, head, **options):
        super().__init__()
        self.cells = kind(5, width, batch_first=True, **options)
        self.head, self.steps = head, steps

    def forward(self, x):
        states, _ = self.cells(x)
        return self.head(states[:, -1] if self.steps == "last" else states)


def mlp():
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 7, bias=False), nn.LayerNorm(7),
                         nn.SiLU(), nn.Linear(7, 3), nn.Softmax(-1))


MLP = {"model_type": "girandole-mlp", "input": "features", "output": "probabilities",
       "layers": [{"linear": "0"}, {"batch_norm": "1"}, {"activation": "relu"}, {"linear": "3"}, {"layer_norm": "4"},
                  {"activation": "silu"}, {"linear": "6"}, {"activation": "softmax"}]}


def models():
    """{name: a function that saves the model into a folder and gives inputs and answers}."""
    t = transformers
    bert = lambda **more: t.BertConfig(**{**SIZES, **more})
    labels = dict(num_labels=3)
    roberta = {**SIZES, "type_vocab_size": 1, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
    lstm = {"model_type": "girandole-lstm", "recurrent": "cells"}
    window = torch.randn(2, 7, 5)
    return {
        "bert": encoder("BertModel", bert(num_hidden_layers=2)),
        "bert_bfloat16": encoder("BertModel", bert(hidden_act="gelu_new"), dtype=torch.bfloat16),
        "bert_float16": encoder("BertModel", bert(hidden_act="relu"), dtype=torch.float16),
        "bert_sequence_sharded": encoder("BertForSequenceClassification", bert(**labels), shards="4KB"),
        "bert_tokens": encoder("BertForTokenClassification", bert(num_labels=5)),
        "bert_question": encoder("BertForQuestionAnswering", bert()),
        "bert_sentence_mean": sentence("BertModel", bert(), "mean", True),
        "bert_sentence_cls": sentence("BertModel", bert(), "cls", False),
        "bert_sentence_max": sentence("BertModel", bert(), "max", False),
        "distilbert": encoder("DistilBertModel", t.DistilBertConfig(**DISTIL)),
        "distilbert_sequence": encoder("DistilBertForSequenceClassification", t.DistilBertConfig(**DISTIL, **labels)),
        "roberta_sequence": encoder("RobertaForSequenceClassification", t.RobertaConfig(**roberta, **labels)),
        "xlm_roberta": encoder("XLMRobertaModel", t.XLMRobertaConfig(**roberta)),
        "xlm_roberta_tokens": encoder("XLMRobertaForTokenClassification", t.XLMRobertaConfig(**roberta, **labels)),
        "mlp": plain(mlp(), MLP, torch.randn(4, 6)),
        "lstm_last": plain(Forecaster(nn.LSTM, 6, "last", nn.Linear(6, 2), num_layers=2),
                           {**lstm, "num_layers": 2, "head": [{"linear": "head"}]}, window),
        "lstm_both_ways": plain(Forecaster(nn.LSTM, 4, "all", nn.Linear(8, 2), num_layers=2, bidirectional=True),
                                {**lstm, "num_layers": 2, "bidirectional": True, "steps": "all",
                                 "head": [{"linear": "head"}]}, window),
        "lstm_without_bias": plain(Forecaster(nn.LSTM, 4, "all", nn.Identity(), bias=False),
                                   {**lstm, "steps": "all"}, window),
        "gru": plain(Forecaster(nn.GRU, 6, "last", nn.Sequential(nn.Linear(6, 2), nn.Tanh())),
                     {**lstm, "model_type": "girandole-gru", "head": [{"linear": "head.0"}, {"activation": "tanh"}]},
                     window),
    }


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(7)
    known = models()
    for name in sys.argv[1:] or known:
        torch.manual_seed(7)
        with tempfile.TemporaryDirectory() as folder, torch.no_grad():
            folder = pathlib.Path(folder)
            inputs, answers = known[name](folder)
            stored = {f"input.{key}": value for key, value in inputs.items()}
            stored |= {f"output.{key}": value.float() for key, value in answers.items()}
            save_file({key: value.contiguous() for key, value in stored.items()}, folder / "answers.safetensors")
            shutil.rmtree(OUT / name, ignore_errors=True)
            shutil.copytree(folder, OUT / name)
        size = sum(path.stat().st_size for path in (OUT / name).rglob("*") if path.is_file())
        print(f"{name}: {size / 1024:.0f} KB, {', '.join(answers)}")


if __name__ == "__main__":
    main()
