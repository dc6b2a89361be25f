"""schemathesis asks the server everything that its OpenAPI document allows, and much that it does not: answers have the
documented statuses, headers, types and schemas, and nothing makes an error of the server's own."""
import json
import os
import pathlib
import subprocess
import sys

from server import ROOT, Server
from test_access import new_key

DOCUMENT = ROOT / "server" / "api" / "src" / "oip" / "rest" / "openapi.json"
CONFIG = pathlib.Path(__file__).with_name("schemathesis.toml")
HOOKS = pathlib.Path(__file__).with_name("schemathesis_hooks.py")
COMMAND = pathlib.Path(sys.executable).with_name("schemathesis")
EXAMPLES = 6  # for each operation and phase
EXPLICIT = ("--model-control-mode", "explicit", "--load-model", "*", "--repository-settle-ms", "0")


def ask_everything(document, config, folder, *options, **environment):
    run = subprocess.run(
        [COMMAND, "--no-color", "--config-file", config, "run", document,
         "--checks", "all", "--max-examples", str(EXAMPLES), "--seed", "1", "--workers", "2", *options],
        capture_output=True, text=True, cwd=folder, env={**os.environ, **environment})
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def test_the_server_does_what_its_document_says(tmp_path):
    with Server(*EXPLICIT, "--trace-file", tmp_path / "trace.json", repository=ROOT / "model-repo") as server:
        report = ask_everything(f"http://{server.rest}/openapi.json", CONFIG, tmp_path)
    assert "Tested: 30" in report, report  # not the document itself, where it comes from there


def test_the_server_refuses_as_its_document_says(tmp_path):
    """Callers with every role, with none, with a wrong key and with too many requests."""
    made = {role: new_key(role, [role], ["*"]) for role in ("infer", "observe", "admin")}
    made["hasty"] = new_key("hasty", ["admin"], ["*"], "{ requests_per_second = 1, burst = 1 }")
    (tmp_path / "access.toml").write_text("".join(entry for _, entry in made.values()))
    accepted = "400, 404, 413"
    assert accepted in CONFIG.read_text()
    (tmp_path / "guarded.toml").write_text(CONFIG.read_text().replace(accepted, f"401, 403, {accepted}"))
    keys = [key for key, _ in made.values()]
    seen = tmp_path / "statuses"
    policy = ("--access-file", tmp_path / "access.toml", "--trace-file", tmp_path / "trace.json")
    with Server(*EXPLICIT, *policy, repository=ROOT / "model-repo") as server:
        report = ask_everything(
            DOCUMENT, tmp_path / "guarded.toml", tmp_path, "--url", f"http://{server.rest}",
            SCHEMATHESIS_HOOKS=str(HOOKS), STATUSES=str(seen), KEYS=json.dumps([None, *keys, "wrong"]))
    assert "Tested: 31" in report, report
    assert {"200", "401", "403", "429"} <= set(seen.read_text().split())
