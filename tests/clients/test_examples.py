"""model-repo and the README: what they show is what a user gets."""
import json
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from answers import assert_same_json, assert_same_text
from server import ROOT

README = (ROOT / "README.md").read_text()
MODELS = ROOT / "model-repo"
BLOCK = re.compile(r"```(\w*)\n(.*?)```", re.S)


def requests():
    """Each runnable block of the README with the answer that follows it."""
    blocks = BLOCK.findall(README)
    for (kind, code), (_, answer) in zip(blocks, blocks[1:]):
        if (kind == "bash" and "curl" in code) or kind == "python":
            yield pytest.param(kind, code, answer, id=f"{kind}-{code.strip().splitlines()[-1][:40]}")


@pytest.mark.parametrize("kind, code, answer", requests())
def test_the_readmes_requests_give_the_readmes_answers(examples, kind, code, answer):
    for port, address in (("8000", examples.rest), ("8001", examples.grpc_address), ("8002", examples.metrics_address)):
        code = code.replace(f"localhost:{port}", address)
    if kind == "bash" and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    command = ["bash", "-euc", code] if kind == "bash" else [sys.executable, "-c", code]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert_same_text(ran.stdout, answer)


def test_the_readme_has_requests():
    kinds = [param.values[0] for param in requests()]
    assert "bash" in kinds and "python" in kinds


@pytest.mark.parametrize("model, version, expected", [
    ("churn", None, "expected.json"),
    ("congestion", None, "expected.json"),
    ("congestion", 2, "expected.json"),
    ("congestion", 1, "expected-version-1.json"),
])
def test_examples_give_the_expected_answers(examples, model, version, expected):
    status, answer = examples.infer(model, (MODELS / model / "example.json").read_text(), version)
    assert status == 200, answer
    assert_same_json(answer, json.loads((MODELS / model / expected).read_text()))


@pytest.mark.parametrize("path", [
    *sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "load-tests").glob("*.md"))],
    ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(path: pathlib.Path):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text()):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{path.name} links to {target}"
