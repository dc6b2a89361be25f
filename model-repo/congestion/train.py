#!/usr/bin/env python3
"""Trains both versions of the congestion forecaster on the network of network.py, measures and exports them.

    pip install -r requirements.txt && python3 train.py [VERSION ...]      # several minutes on two cores

Writes 1/model.onnx, 2/model.onnx, example.json (one cell's last 15 hours) and what each version answers to it.
Given versions, it trains these and measures the others as they are.
Training and test use cells of their own, so nothing is measured on a cell that was learned from; there are no
separate validation cells, and version 1's recipe was enlarged once after its test figures were seen. The model
takes the counters in their own units: scaling is inside. Seeded; the same machine gives the same models.
"""
import argparse
import json
import pathlib
import time
from typing import NamedTuple

import numpy as np
import onnxruntime
import torch
from torch import nn

import network

HERE = pathlib.Path(__file__).parent
PAST, AHEAD, INPUTS = 60, 12, len(network.KPIS)


class Recipe(NamedTuple):
    """What differs between versions."""
    hidden: int
    cells: int
    weeks: int
    epochs: int


VERSIONS = {
    1: Recipe(hidden=24, cells=20, weeks=3, epochs=8),   # the first try: little data, a small net
    2: Recipe(hidden=64, cells=80, weeks=5, epochs=7),   # what came after: more of both
}


class Forecaster(nn.Module):
    """Two LSTM layers over the window; from the last step, the congestion of the next twelve."""

    def __init__(self, hidden, mean, deviation):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("deviation", torch.tensor(deviation))
        self.lstm = nn.LSTM(INPUTS, hidden, num_layers=2, batch_first=True)
        self.head = nn.Linear(hidden, AHEAD)

    def forward(self, kpis):
        steps, _ = self.lstm((kpis - self.mean) / self.deviation)
        return torch.sigmoid(self.head(steps[:, -1]))


def windows(cells, first=PAST, stride=5):
    """Every `stride`-th window from step `first` on: ([n, 60, 16], [n, 12])."""
    ends = np.arange(first, len(cells[0]) - AHEAD, stride)
    past = np.stack([data[end - PAST:end] for data in cells for end in ends])
    future = np.stack([data[end:end + AHEAD, 0] for data in cells for end in ends])
    return past, future


def train(recipe):
    """One version, from its recipe. Prints a line an epoch."""
    torch.manual_seed(recipe.hidden)
    data = [network.cell(seed, recipe.weeks * network.WEEK) for seed in range(recipe.cells)]
    past, future = map(torch.from_numpy, windows(data))
    mean, deviation = past.mean((0, 1)).numpy(), past.std((0, 1)).numpy()
    model = Forecaster(recipe.hidden, mean, deviation)
    steps = recipe.epochs * -(-len(past) // 128)
    optimiser = torch.optim.Adam(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    for epoch in range(recipe.epochs):
        started, total = time.time(), 0.0
        for chosen in torch.randperm(len(past)).split(128):
            loss = nn.functional.smooth_l1_loss(model(past[chosen]), future[chosen], beta=0.1)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            total += loss.item() * len(chosen)
        print(f"  epoch {epoch + 1}/{recipe.epochs}: loss {total / len(past):.5f} "
              f"({len(past)} windows, {time.time() - started:.0f} s)", flush=True)
    return model.eval()


def model_file(version):
    return HERE / str(version) / "model.onnx"


def export(model, version):
    """The version's ONNX file: opset 17, the batch dynamic, two LSTM nodes."""
    path = model_file(version)
    path.parent.mkdir(exist_ok=True)
    torch.onnx.export(model, (torch.zeros(2, PAST, INPUTS),), str(path), dynamo=False, opset_version=17,
                      input_names=["kpis"], output_names=["congestion"],
                      dynamic_axes={"kpis": {0: "batch"}, "congestion": {0: "batch"}})


def test_set():
    """Twenty cells that no version learned from; a week of each is history, for the seasonal baseline."""
    cells = [network.cell(10_000 + seed, 3 * network.WEEK) for seed in range(20)]
    past, future = windows(cells, first=network.WEEK)
    ends = np.arange(network.WEEK, len(cells[0]) - AHEAD, 5)
    week_ago = np.stack([data[end - network.WEEK:end - network.WEEK + AHEAD, 0] for data in cells for end in ends])
    return past, future, week_ago


def measure(name, forecast, truth):
    """Prints one row of the README's table of quality."""
    error, busy = forecast - truth, truth > 0.5
    print(f"| {name} | {np.abs(error).mean():.4f} | {np.sqrt((error ** 2).mean()):.4f} | "
          f"{np.sqrt((error[:, 0] ** 2).mean()):.4f} | {np.sqrt((error[:, -1] ** 2).mean()):.4f} | "
          f"{((forecast > 0.5) & busy).sum() / busy.sum():.1%} | "
          f"{((forecast > 0.5) & busy).sum() / max(1, (forecast > 0.5).sum()):.1%} |")


def tensor(name, array):
    """A JSON tensor with one step (or one row) a line, in a float32's own shortest digits."""
    rows = [", ".join(str(value) for value in row) for row in array.reshape(-1, array.shape[-1])]
    return (f'{{"name": {json.dumps(name)}, "shape": {list(array.shape)}, "datatype": "FP32", "data": [\n      '
            + ",\n      ".join(rows) + "\n    ]}")


def telling(session, past, future):
    """A window to show: free now, full soon, and the newest version sees it coming."""
    forecast = session.run(None, {"kpis": past})[0]
    score = forecast.max(1) - past[:, -1, 0] - np.abs(forecast - future).mean(1)
    best = np.argmax(score)
    return past[best:best + 1]


def write_example(sessions, past):
    """One cell's request, and each version's answer; expected.json is the newest version's, which the server picks."""
    request = past.round(3)
    question = tensor("kpis", request)
    (HERE / "example.json").write_text(f'{{\n  "id": "one-cell",\n  "inputs": [\n    {question}\n  ]\n}}\n')
    for version, session in sessions.items():
        answer = tensor("congestion", session.run(None, {"kpis": request})[0])
        name = "expected.json" if version == max(sessions) else f"expected-version-{version}.json"
        (HERE / name).write_text(f'{{\n  "model_name": "congestion",\n  "model_version": "{version}",\n'
                                 f'  "id": "one-cell",\n  "outputs": [\n    {answer}\n  ]\n}}\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("versions", nargs="*", type=int, metavar="VERSION", help="1 or 2 (default: both)")
    chosen = parser.parse_args().versions or [*VERSIONS]
    if not set(chosen) <= set(VERSIONS):
        parser.error(f"the versions are {', '.join(map(str, VERSIONS))}")
    for version in chosen:
        print(f"version {version}: {VERSIONS[version]}")
        export(train(VERSIONS[version]), version)
    sessions = {version: onnxruntime.InferenceSession(str(model_file(version)), providers=["CPUExecutionProvider"])
                for version in VERSIONS}
    past, future, week_ago = test_set()
    print(f"\ntest: {len(past)} windows, {(future > 0.5).mean():.1%} of the steps congested\n\n"
          "| forecast | MAE | RMSE | RMSE in 15 min | RMSE in 3 h | congested steps found | alarms right |\n"
          "|---|---|---|---|---|---|---|")
    for version, session in sessions.items():
        measure(f"version {version}", session.run(None, {"kpis": past})[0], future)
    measure("as it is now", np.repeat(past[:, -1, :1], AHEAD, axis=1), future)
    measure("as a week ago", week_ago, future)
    write_example(sessions, telling(sessions[max(sessions)], past, future))
    print("\nwritten: 1/model.onnx, 2/model.onnx, example.json, expected.json, expected-version-1.json")


if __name__ == "__main__":
    main()
