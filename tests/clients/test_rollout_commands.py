"""What a person does about a rollout, over the listener for administration and with `girandole traffic`."""
import json
import re

import pytest

import repository
from server import wait_for
from test_admin import ask, put, serve, traffic, weights
from test_audit import audit
from test_traffic import BODY, write

TRAFFIC = """
[labels]
stable = 1
canary = 2
[rollout]
interval = "50ms"
min_samples = 50
steps = [{ set_weight = 20, pause = {} }, { set_weight = 50, pause = { duration = "1h" } }]
guards = { error_rate = 0.05 }
"""


@pytest.fixture
def models(tmp_path):
    """Version 2 answers as version 1 does."""
    folder = tmp_path / "models"
    folder.mkdir()
    for version in (1, 2):
        repository.place(folder, "m", repository.scaled(1, 4), version=version)
    write(folder / "m", TRAFFIC)
    return folder


def rollout(server):
    return ask(server, "GET", "/admin/v1/models/m/traffic")[2]["rollout"]


def at(server):
    now = rollout(server)
    return now["state"], now["step"], now["weight"]


def command(server, name):
    return ask(server, "POST", f"/admin/v1/models/m/rollout/{name}")


def begun(server):
    """The first step runs, and waits for a person."""
    wait_for(lambda: at(server) == ("paused", 1, 20), "the first step", server)


def test_commands_apply_at_once_and_are_told_of(models, tmp_path):
    log = tmp_path / "log.jsonl"
    with serve(models, "--audit-log", log) as server:
        begun(server)
        for name, now in [("promote", ("progressing", 2, 50)), ("pause", ("paused", 2, 50)),
                          ("resume", ("progressing", 2, 50)), ("promote_full", ("healthy", 2, 100)),
                          ("abort", ("degraded", 2, 0))]:
            status, _, answer = command(server, name)
            assert status == 200, answer
            assert (answer["rollout"]["state"], answer["rollout"]["step"], answer["rollout"]["weight"]) == now
            assert at(server) == now and weights(server) == {"stable": 100 - now[2], "canary": now[2]}
        assert rollout(server)["reason"] == "aborted by a person"
        status, _, answer = command(server, "resume")
        assert status == 400 and "'resume' is not possible while it is degraded" in answer["error"], answer
        assert command(server, "start")[0] == 200
        begun(server)
    entries = [json.loads(line) for line in audit("show", log, "--json").splitlines()]
    told = [(entry["who"], entry["what"]) for entry in entries if entry["what"].startswith("rollout")]
    assert told == [
        ("server", "rollout_advanced"), ("loopback", "rollout_advanced"), ("loopback", "rollout_paused"),
        ("loopback", "rollout_resumed"), ("loopback", "rollout_promoted"), ("loopback", "rollout_aborted"),
        ("loopback", "rollout_started"), ("server", "rollout_advanced")]
    assert all(entry["versions"] == [1, 2] and entry["before"] == entry["after"] for entry in entries
               if entry["what"].startswith("rollout"))
    assert audit("verify", log).startswith("ok:")


def test_what_a_person_did_outlasts_the_server(models):
    with serve(models) as server:
        begun(server)
        assert command(server, "abort")[0] == 200
    with serve(models) as server:
        assert at(server) == ("degraded", 1, 0)
        assert all(server.infer("m", BODY)[1]["model_version"] == "1" for _ in range(20))


def test_a_bad_canary_is_told_of_with_the_reason(models, tmp_path):
    repository.place(models, "m", repository.failing(4), version=2)
    log = tmp_path / "log.jsonl"
    with serve(models, "--audit-log", log) as server:
        begun(server)

        def back():
            for _ in range(10):
                server.infer("m", BODY)
            return rollout(server)["state"] == "degraded"

        wait_for(back, "the rollback", server)
        shown = traffic(server, "show", "m")
        assert "rollout: degraded, step 1 of 2, the canary gets 0 %\nTAKEN BACK: error_rate:" in shown, shown
        reason = rollout(server)["reason"]
    [entry] = [json.loads(line) for line in audit("show", log, "--json").splitlines() if "rolled_back" in line]
    assert (entry["who"], entry["detail"]["reason"]) == ("server", reason)


def test_the_command_line_acts_on_rollouts(models):
    with serve(models) as server:
        begun(server)
        shown = traffic(server, "show", "m")
        assert "rollout: paused, step 1 of 2, the canary gets 20 %, waits for a person" in shown, shown
        assert "\nguard " in shown and "\nerror_rate " in shown
        assert "rollout: progressing, step 2 of 2, the canary gets 50 %" in traffic(server, "promote", "m")
        assert "rollout: paused, step 2" in traffic(server, "pause", "m")
        assert "rollout: progressing, step 2" in traffic(server, "resume", "m")
        assert "the canary gets 100 %" in traffic(server, "promote", "m", "--full")
        assert "TAKEN BACK: aborted by a person" in traffic(server, "abort", "m")
        assert "'promote' is not possible while it is degraded" in traffic(server, "promote", "m", expected=1)
        assert re.search("rollout: (pending|paused, step 1)", traffic(server, "start", "m"))


def test_weights_that_a_rollout_sets_are_not_set_by_hand(models):
    with serve(models) as server:
        begun(server)
        status, _, answer = put(server, {"stable": 1, "canary": 1}, "*")
        assert status == 400 and "a rollout sets the weights of 'stable' and 'canary'" in answer["error"], answer
        assert at(server) == ("paused", 1, 20) and (models / "m" / "traffic.toml").read_text() == TRAFFIC
        assert command(server, "faster")[0] == 404
        write(models / "m", "[labels]\nstable = 1\ncanary = 2\n")
        wait_for(lambda: rollout(server) is None, "the rollout's end", server)
        assert put(server, {"stable": 1, "canary": 1}, "*")[0] == 200
        status, _, answer = command(server, "abort")
        assert status == 404 and "it has no rollout" in answer["error"], answer
