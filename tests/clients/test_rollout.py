"""A canary by itself: it advances while it is good, and is taken back when it is not, as REST clients see it."""
import json

import pytest

import repository
from server import Server, wait_for
from test_traffic import write

WIDE = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 1, 1, 1]}]}
NARROW = {"inputs": [{"name": "x", "shape": [1, 1], "datatype": "FP32", "data": [1]}]}
ROLLOUT = """
[labels]
stable = 1
canary = 2

[split]
weights = {{ stable = 100, canary = 0 }}
sticky = [{{ header = "x-subscriber-id" }}]

[rollout]
interval = "50ms"
min_samples = {samples}
output = "{output}"
steps = [{{ set_weight = 20 }}, {{ set_weight = 50, pause = {{ requests = 100 }} }}]
guards = {{ {guards} }}
"""
GUARDS = "error_rate = 0.05, latency_p50 = 20, ks = 0.3, psi = 1"


def place(folder, name, stable, canary, guards=GUARDS, samples=50, output="product"):
    """A model with a stable version and a canary, and the rollout between them."""
    repository.place(folder, name, stable, version=1)
    repository.place(folder, name, canary, version=2)
    write(folder / name, ROLLOUT.format(guards=guards, samples=samples, output=output))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    good = repository.scaled(1, 4)
    place(folder, "good", good, repository.scaled(1, 4))
    place(folder, "failing", good, repository.failing(4))
    place(folder, "differing", good, repository.scaled(2, 4), guards="ks = 0.3, psi = 1")
    place(folder, "slower", repository.slow(0), repository.slow(2), guards="latency_p50 = 1.5", samples=1000, output="y")
    return folder


def serve(folder, state):
    return Server("--model-control-mode", "poll", "--repository-poll-secs", "1", "--repository-settle-ms", "0",
                  "--state-dir", state, repository=folder)


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def server(models, state):
    with serve(models, state) as server:
        yield server


def traffic(server, model):
    return json.loads(server.get(f"/v2/models/{model}/traffic")[2])


def drive(server, model, body, wanted):
    """Asks on and on until the rollout is as wanted; what it was each time it moved."""
    seen = []

    def asked():
        for _ in range(10):
            server.infer(model, body)
        rollout = traffic(server, model)["rollout"]
        if not seen or (seen[-1]["state"], seen[-1]["step"]) != (rollout["state"], rollout["step"]):
            seen.append(rollout)
        return rollout["state"] == wanted

    wait_for(asked, f"the rollout of {model} to be {wanted}", server)
    return seen


def weights(server, model):
    return {arm["name"]: arm["weight"] for arm in traffic(server, model)["split"]["arms"]}


def metric(server, model, state):
    return f'girandole_rollout_state{{model="{model}",state="{state}"}} 1' in server.metrics()


def test_a_good_canary_goes_through_its_steps_and_gets_everything(server):
    seen = drive(server, "good", WIDE, "healthy")
    steps = {(rollout["state"], rollout["step"], rollout["weight"]) for rollout in seen}
    assert steps >= {("progressing", 2, 50), ("healthy", 2, 100)}, seen
    assert all(rollout["reason"] is None for rollout in seen)
    assert weights(server, "good") == {"stable": 0, "canary": 100}
    assert server.infer("good", WIDE)[1]["model_version"] == "2"
    assert metric(server, "good", "healthy")
    assert 'girandole_rollout_weight{model="good"} 100' in server.metrics()


@pytest.mark.parametrize("model, body, guards", [
    ("failing", WIDE, ("error_rate",)), ("differing", WIDE, ("ks", "psi")), ("slower", NARROW, ("latency_p50",))])
def test_a_bad_canary_is_taken_back_and_says_why(server, model, body, guards):
    back = drive(server, model, body, "degraded")[-1]
    guard = back["reason"].split(":")[0]
    assert guard in guards and "at least" in back["reason"], back
    assert weights(server, model) == {"stable": 100, "canary": 0}
    for _ in range(30):
        status, answer = server.infer(model, body)
        assert status == 200 and answer["model_version"] == "1", answer
    assert metric(server, model, "degraded")
    assert f'girandole_rollout_rollbacks_total{{model="{model}",reason="{guard}"}} 1' in server.metrics()


def test_what_was_taken_back_stays_back_over_a_restart_until_the_canary_is_another(tmp_path):
    models, state = tmp_path / "models", tmp_path / "state"
    models.mkdir()
    place(models, "m", repository.scaled(1, 4), repository.failing(4))
    with serve(models, state) as server:
        drive(server, "m", WIDE, "degraded")
    with serve(models, state) as server:
        rollout = traffic(server, "m")["rollout"]
        assert rollout["state"] == "degraded" and rollout["reason"].startswith("error_rate"), rollout
        assert all(server.infer("m", WIDE)[1]["model_version"] == "1" for _ in range(30))
        repository.place(models, "m", repository.scaled(1, 4), version=3)
        text = ROLLOUT.format(guards=GUARDS, samples=50, output="product").replace("canary = 2", "canary = 3")
        write(models / "m", text)
        wait_for(lambda: traffic(server, "m")["rollout"]["state"] == "progressing", "the next rollout", server)
        assert traffic(server, "m")["rollout"]["canary"]["version"] == 3
        drive(server, "m", WIDE, "healthy")


def test_sticky_keys_only_move_to_the_canary_as_it_advances(server, models):
    """Each step's canary has all keys of the step before."""
    place(models, "sticky", repository.scaled(1, 4), repository.scaled(1, 4), samples=10)
    wait_for(lambda: server.get("/v2/models/sticky/versions/2/ready")[0] == 200, "the model", server)
    keys = [f"subscriber-{i}" for i in range(60)]

    def arms():
        answers = {key: server.infer("sticky", WIDE, headers={"x-subscriber-id": key})[1] for key in keys}
        return {key for key, answer in answers.items() if answer["model_version"] == "2"}

    rollout, before = traffic(server, "sticky")["rollout"], set()
    for _ in range(1000):
        if rollout["state"] == "healthy":
            break
        now, after = arms(), traffic(server, "sticky")["rollout"]
        if (after["state"], after["step"]) == (rollout["state"], rollout["step"]):  # all of `now` is of one step
            assert before <= now, before - now
            before = now
        rollout = after
    assert rollout["state"] == "healthy", rollout
    assert arms() == set(keys)
