"""The audit log: every change is told of, by whom; `girandole audit` shows the entries and finds tampering."""
import hashlib
import json
import re
import subprocess

import pytest

import repository
from server import BINARY, PATIENCE, Server, wait_for
from test_admin import ask, put, serve, weights
from test_traffic import write

TRAFFIC = "[labels]\nstable = 1\n[split]\nweights = { stable = 90, 2 = 10 }\n"


def audit(*words, expected=0):
    """What `girandole audit` says."""
    ran = subprocess.run([BINARY, "audit", *map(str, words)], capture_output=True, text=True, timeout=PATIENCE)
    assert ran.returncode == expected, ran
    return ran.stdout


def digest(data):
    return hashlib.sha256(data if isinstance(data, bytes) else data.encode()).hexdigest()


def sums(version):
    """The digest of a version's directory: that of its SHA256SUMS, as `girandole seal` would write it."""
    model = (version / "model.onnx").read_bytes()
    return digest(f"{digest(model)}  model.onnx\n")


@pytest.fixture(scope="module")
def life(tmp_path_factory):
    """The log of a server's life, in which all sorts of things were changed, and digests of what there was."""
    folder = tmp_path_factory.mktemp("audit")
    models, log = folder / "models", folder / "log.jsonl"
    models.mkdir()
    repository.place(models, "m", repository.scaled(1, 4), version=1)
    repository.place(models, "m", repository.scaled(2, 4), version=2)
    write(models / "m", TRAFFIC)
    seen = {"v1": sums(models / "m" / "1"), "v2": sums(models / "m" / "2"), "first": digest(TRAFFIC)}
    with serve(models, "--audit-log", log) as server:
        assert put(server, {"stable": 1, "2": 1}, "*")[0] == 200
        assert put(server, {"stable": 1, "nobody": 1}, "*")[0] == 400
        seen["set"] = digest((models / "m" / "traffic.toml").read_text())
        write(models / "m", "[split]\nweights = { nobody = 1 }\n")
        wait_for(lambda: json.loads(server.get("/v2/models/m/traffic")[2])["refused"], "the refusal", server)
        write(models / "m", "[split]\nweights = { 2 = 1 }\n")
        wait_for(lambda: weights(server) == {"2": 1}, "the new file", server)
        repository.place(models, "m", repository.unknown_operator(), version=3)
        wait_for(lambda: "the_odd_one" in server.post("/v2/repository/index")[2].decode(), "the failure", server)
        assert server.post("/v2/logging", {"log_verbose_level": 1})[0] == 200
        assert server.post("/v2/models/m/trace/setting", {"trace_rate": "5"})[0] == 200
        seen["api"] = ask(server, "GET", "/admin/v1/audit")[2]["entries"]
        seen["metrics"] = server.metrics()
    return log, seen


def entries(log):
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_every_change_is_told_of_in_order_with_its_digests(life):
    log, seen = life
    told = [(entry["who"], entry["what"]) for entry in entries(log)]
    assert told[0] == ("server", "server_started") and told[-1] == ("server", "server_stopped")
    by_what = {}
    for entry in entries(log):
        by_what.setdefault(entry["what"], []).append(entry)
    loaded = {entry["versions"][0]: entry for entry in by_what["version_loaded"]}
    assert (loaded[1]["after"], loaded[2]["after"], loaded[1]["who"]) == (seen["v1"], seen["v2"], "repository")
    assert "before" not in loaded[1] and loaded[1]["model"] == "m"
    [set_] = by_what["weights_set"]
    assert (set_["who"], set_["before"], set_["after"]) == ("loopback", seen["first"], seen["set"])
    assert set_["detail"] == {"weights": {"stable": 1, "2": 1}} and set_["peer"].startswith("127.0.0.1:")
    assert [(entry["who"], entry["after"]) for entry in by_what["traffic_applied"]][:2] == [
        ("repository", seen["first"]), ("loopback", seen["set"])]
    [refused] = by_what["traffic_refused"]
    assert "'nobody' is no version" in refused["detail"]["reason"] and refused["before"] == seen["set"]
    [failed] = by_what["version_failed"]
    assert failed["versions"] == [3] and "the_odd_one" in failed["detail"]["reason"]
    [logging], [tracing] = by_what["log_settings_changed"], by_what["trace_settings_changed"]
    assert (logging["who"], logging["detail"]["settings"]["log_verbose_level"]) == ("client", "1")
    assert tracing["model"] == "m" and tracing["detail"]["settings"]["trace_rate"] == ["5"]
    assert {entry["detail"]["reason"] for entry in by_what["version_unloaded"]} >= {"the server is shutting down"}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", entry["time"]) for entry in entries(log))


def test_the_chain_is_what_the_pages_say_and_anybody_can_check_it(life):
    """Without our own code: the hash is over the line without it, `prev` is the line's before."""
    prev = "0" * 64
    for number, line in enumerate(life[0].read_text().splitlines(), 1):
        body, hashed = re.fullmatch(r'(.*),"hash":"(\w{64})"}', line).groups()
        entry = json.loads(line)
        assert (entry["seq"], entry["prev"], hashed) == (number, prev, digest(body + "}"))
        prev = hashed


def test_the_api_gives_the_entries_as_they_are(life):
    log, seen = life
    assert seen["api"] == entries(log)[:len(seen["api"])]
    assert f"girandole_audit_entries_total {len(seen['api'])}" in seen["metrics"]
    assert "girandole_audit_lost_total 0" in seen["metrics"]


def test_show_is_a_table_of_what_is_asked_for(life):
    log, _ = life
    rows = audit("show", log).splitlines()
    assert rows[0].split()[:4] == ["seq", "time", "who", "what"] and len(rows) == len(entries(log)) + 1
    assert [row.split()[0] for row in rows[1:]] == [str(entry["seq"]) for entry in entries(log)]
    assert any(re.search(r'loopback +weights_set +m .* {"weights":{"2":1.0,"stable":1.0}}$', row) for row in rows), rows
    of_model = audit("show", log, "--model", "m", "--json").splitlines()
    assert of_model == [line for line in log.read_text().splitlines() if json.loads(line).get("model") == "m"]
    moment = entries(log)[4]["time"]
    since = audit("show", log, "--since", moment, "--json").splitlines()
    assert since == [line for line in log.read_text().splitlines() if json.loads(line)["time"] >= moment]
    assert audit("show", log, "--since", "2100-01-01T00:00:00Z").splitlines() == rows[:1]


def tampered(log, tmp_path, change):
    """What is said of a copy of the log whose lines were changed so."""
    lines = log.read_text().splitlines(keepends=True)
    copy = tmp_path / "log.jsonl"
    copy.write_text("".join(change(lines)))
    return audit("verify", copy, expected=1)


def test_verify_finds_what_was_changed_removed_or_moved(life, tmp_path):
    log, _ = life
    newest = entries(log)[-1]
    whole = audit("verify", log)
    assert whole == f"ok: {newest['seq']} entries, the newest is {newest['seq']} with hash {newest['hash']}\n"
    edited = tampered(log, tmp_path, lambda lines: [line.replace("loopback", "repository") for line in lines])
    line = next(entry["seq"] for entry in entries(log) if entry["who"] == "loopback")
    assert f"log.jsonl:{line}: this line was changed" in edited
    assert "log.jsonl:3: entry 3 was removed" in tampered(log, tmp_path, lambda lines: lines[:2] + lines[3:])
    assert "entries 1 to 2 were removed" in tampered(log, tmp_path, lambda lines: lines[2:])
    assert "entry 2 stands here a second time, or was moved" in tampered(
        log, tmp_path, lambda lines: [lines[0], lines[2], lines[1], *lines[3:]])
    assert "end is missing" in tampered(log, tmp_path, lambda lines: [*lines[:-1], lines[-1][:-9]])


def test_verify_finds_a_log_that_was_cut_where_its_head_was_kept(life, tmp_path):
    log, _ = life
    head = entries(log)[-1]["hash"]
    cut = tmp_path / "log.jsonl"
    cut.write_text("".join(log.read_text().splitlines(keepends=True)[:-1]))
    assert audit("verify", cut).startswith("ok:"), "nobody can know that more followed"
    assert head in audit("verify", cut, "--contains", head, expected=1)
    assert audit("verify", log, "--contains", entries(log)[1]["hash"]).startswith("ok:")


def test_a_log_goes_on_after_a_restart_and_closes_what_a_crash_tore(tmp_path, small_models):
    state = tmp_path / "state"
    for torn in ("", '{"seq":7,"time":"20'):
        log = state / "audit.jsonl"
        if torn:
            log.write_text(log.read_text() + torn)
        with Server("--state-dir", state, repository=small_models) as server:
            second = subprocess.run([BINARY, "serve", "--model-repository", small_models, "--http-port", "0",
                                     "--grpc-port", "0", "--metrics-port", "0", "--admin-port", "0",
                                     "--state-dir", state], capture_output=True, text=True, timeout=PATIENCE)
            assert second.returncode != 0 and "another server writes it" in second.stderr, second.stderr
            assert server.get("/v2/health/live")[0] == 200
    whole = audit("verify", log)
    assert "torn by a crash and closed by the server: 1 lines" in whole and "ok:" in whole, whole
    assert '"what":"log_repaired","detail":{"bytes":19' in log.read_text()
    assert [entry["what"] for entry in map(json.loads, audit("show", log, "--json").splitlines())].count(
        "server_started") == 2


def test_without_a_log_nobody_is_told_of_one(small):
    status, _, answer = ask(small, "GET", "/admin/v1/audit")
    assert status == 501 and "--audit-log" in answer["error"], answer
