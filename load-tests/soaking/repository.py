"""The repository and its changes: `congestion` gets new versions, `forecast` (the same network) other splits, `churn`
stays.

Invariant: a version's answers follow from its number alone, so that clients know them without asking.
"""
import json
import pathlib
import shutil

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = ROOT / "model-repo"
SPLIT = "[labels]\nstable = 1\ncanary = 2\n[split]\nweights = {{ stable = {}, canary = {} }}\n"


def content(version):
    """Which of congestion's two networks a version has."""
    return 1 if version % 2 else 2


def answers():
    """What each network answers to congestion's example."""
    files = {1: "expected-version-1.json", 2: "expected.json"}
    return {which: json.loads((MODELS / "congestion" / file).read_text())["outputs"][0]["data"]
            for which, file in files.items()}


class Repository:
    def __init__(self, folder):
        self.folder = folder
        self.reloads = self.splits = 0
        self.version = 1
        shutil.copytree(MODELS / "churn", folder / "churn")
        for name in ("congestion", "forecast"):
            (folder / name).mkdir()
        config = (MODELS / "congestion/config.pbtxt").read_text()
        newest = config.replace("version_policy { all { } }", "")
        (folder / "congestion/config.pbtxt").write_text(newest)
        (folder / "forecast/config.pbtxt").write_text(config.replace('"congestion"', '"forecast"', 1))
        for version in (1, 2):
            self.place("forecast", version)
        self.place("congestion", 1)
        self.split(50)

    def place(self, model, version):
        """A version's folder appears under its name at once."""
        aside = self.folder / model / f".{version}"
        shutil.copytree(MODELS / "congestion" / str(content(version)), aside)
        aside.rename(self.folder / model / str(version))

    def split(self, percent):
        """So many of a hundred requests go to forecast's version 2."""
        aside = self.folder / ".traffic.toml"
        aside.write_text(SPLIT.format(100 - percent, percent))
        aside.rename(self.folder / "forecast/traffic.toml")

    def change(self, end, draw):
        """A new version every three seconds or so, another split every second time."""
        while not end.wait(draw.uniform(2, 4)):
            self.version += 1
            self.place("congestion", self.version)
            self.reloads += 1
            old = self.folder / "congestion" / str(self.version - 2)
            if old.exists():
                shutil.rmtree(old)
            if self.version % 2:
                self.split(draw.randint(10, 90))
                self.splits += 1
