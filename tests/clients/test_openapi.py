"""schemathesis asks the server everything that its OpenAPI document allows, and much that it does not: answers have the
documented statuses, headers, types and schemas, and nothing makes an error of the server's own."""
import pathlib
import subprocess
import sys

from server import ROOT, Server

CONFIG = pathlib.Path(__file__).with_name("schemathesis.toml")
COMMAND = pathlib.Path(sys.executable).with_name("schemathesis")
EXAMPLES = 6  # for each operation and phase


def test_the_server_does_what_its_document_says(tmp_path):
    explicit = ("--model-control-mode", "explicit", "--load-model", "*", "--repository-settle-ms", "0")
    with Server(*explicit, "--trace-file", tmp_path / "trace.json", repository=ROOT / "model-repo") as server:
        run = subprocess.run(
            [COMMAND, "--no-color", "--config-file", CONFIG, "run", f"http://{server.rest}/openapi.json",
             "--checks", "all", "--max-examples", str(EXAMPLES), "--seed", "1", "--workers", "2"],
            capture_output=True, text=True, cwd=tmp_path)
        assert run.returncode == 0, run.stdout + run.stderr
        assert "Tested: 30" in run.stdout, run.stdout
