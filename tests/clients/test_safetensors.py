"""Models in safetensors: what transformers and PyTorch answer, over REST and gRPC, reloaded, sealed and broken."""
import json
import shutil
import subprocess

import numpy as np
import pytest
import tritonclient.grpc
import tritonclient.http
from tritonclient.utils import np_to_triton_dtype

from answers import assert_close
from server import BINARY, ROOT, Server, wait_for

SAVED = ROOT / "server" / "engine" / "tests" / "safetensors"
NAMES = sorted(path.name for path in SAVED.iterdir())
POLL = ("--model-control-mode", "poll", "--repository-poll-secs", "1", "--repository-settle-ms", "0")
DTYPES = {"F32": np.float32, "I64": np.int64}


def place(repository, name, version=1, saved=None, change=lambda folder: None):
    """Puts a saved model into a repository in one step."""
    aside = repository / f".{name}.{version}"
    shutil.copytree(SAVED / (saved or name), aside, ignore=shutil.ignore_patterns("answers.safetensors"))
    change(aside)
    (repository / name).mkdir(exist_ok=True)
    aside.rename(repository / name / str(version))


def asked(name):
    """What a saved model was asked, and what it answered: ({name: array}, {name: array})."""
    data = (SAVED / name / "answers.safetensors").read_bytes()
    length = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8:8 + length]), data[8 + length:]
    parts = {"input": {}, "output": {}}
    for key, entry in header.items():
        if key != "__metadata__":
            part, _, tensor = key.partition(".")
            values = np.frombuffer(body[slice(*entry["data_offsets"])], DTYPES[entry["dtype"]])
            parts[part][tensor] = values.reshape(entry["shape"])
    return parts["input"], parts["output"]


def infer(module, client, name, inputs, version=""):
    tensors = []
    for key, value in inputs.items():
        tensors.append(module.InferInput(key, list(value.shape), np_to_triton_dtype(value.dtype)))
        tensors[-1].set_data_from_numpy(value)
    return client.infer(name, tensors, model_version=version)


def assert_answers(server, name, saved=None, version=""):
    inputs, expected = asked(saved or name)
    with server.grpc() as grpc, server.http() as http:
        for module, client in ((tritonclient.grpc, grpc), (tritonclient.http, http)):
            result = infer(module, client, name, inputs, version)
            for output, value in expected.items():
                assert_close(f"{name} {output}", result.as_numpy(output), value)


def reason(server, model, version=1):
    entries = json.loads(server.post("/v2/repository/index")[2])
    found = [entry for entry in entries if entry["name"] == model and entry.get("version") == str(version)]
    return found[0].get("reason", "") if found and found[0].get("state") == "UNAVAILABLE" else None


def girandole(*arguments):
    done = subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    repository = tmp_path_factory.mktemp("models")
    for name in NAMES:
        place(repository, name)
    with Server("--repository-settle-ms", "0", repository=repository) as server:
        yield server


@pytest.mark.parametrize("name", NAMES)
def test_answers_are_those_of_where_it_was_saved(server, name):
    assert_answers(server, name)


def test_rows_of_strangers_share_a_batch(server):
    inputs, expected = asked("bert_tokens")
    with server.http(concurrency=8) as client:
        requests = []
        for row in range(3):
            tensors = []
            for key, value in inputs.items():
                tensors.append(tritonclient.http.InferInput(key, [1, value.shape[1]], "INT64"))
                tensors[-1].set_data_from_numpy(value[row:row + 1])
            requests.append(client.async_infer("bert_tokens", tensors))
        for row, request in enumerate(requests):
            assert_close("logits", request.get_result().as_numpy("logits"), expected["logits"][row:row + 1])


def test_it_says_what_it_is(server):
    about = json.loads(server.get("/v2/models/bert_sentence_mean")[2])
    assert about["platform"] == "safetensors_girandole"
    tokens = [{"name": name, "datatype": "INT64", "shape": [-1, -1]}
              for name in ("input_ids", "attention_mask", "token_type_ids")]
    assert about["inputs"] == tokens
    assert about["outputs"] == [{"name": "sentence_embedding", "datatype": "FP32", "shape": [-1, 16]}]
    config = json.loads(server.get("/v2/models/bert_sequence_sharded/config")[2])
    assert config["default_model_filename"] == "model.safetensors.index.json"
    assert config["max_batch_size"] == 4 and "dynamic_batching" in config


def test_a_text_that_is_too_long_is_a_callers_mistake(server):
    ids = np.ones((1, 40), np.int64)
    data = [{"name": name, "shape": [1, 40], "datatype": "INT64", "data": ids.ravel().tolist()}
            for name in ("input_ids", "attention_mask")]
    status, answer = server.infer("distilbert", {"inputs": data})
    assert status == 400 and "embeddings" in answer["error"] and "[1,40,16] and [16,16] do not broadcast" in answer["error"], answer


def test_versions_in_either_format_follow_each_other(tmp_path):
    place(tmp_path, "m", 1, "lstm_last")
    with Server(*POLL, repository=tmp_path) as server:
        assert_answers(server, "m", "lstm_last")
        place(tmp_path, "m", 2, "gru")
        wait_for(lambda: server.get("/v2/models/m/versions/2/ready")[0] == 200, "version 2", server)
        assert_answers(server, "m", "gru")
        place(tmp_path, "m", 3, "gru", lambda folder: (folder / "config.json").unlink())
        wait_for(lambda: reason(server, "m", 3), "version 3 to be refused", server)
        assert "'config.json' is missing" in reason(server, "m", 3)
        assert_answers(server, "m", "gru")


def edit(name, before, after):
    def change(folder):
        text = (folder / name).read_text()
        assert before in text
        (folder / name).write_text(text.replace(before, after))
    return change


def test_what_is_broken_is_refused_with_what_is_wrong(tmp_path):
    broken = {
        "truncated": ("gru", lambda folder: cut(folder / "model.safetensors"), "model.safetensors: the file is truncated"),
        "unknown": ("bert", edit("config.json", '"model_type": "bert"', '"model_type": "t5"'),
                    "model_type 't5' is not served from safetensors"),
        "layers": ("bert", edit("config.json", '"num_hidden_layers": 2', '"num_hidden_layers": 3'),
                   "tensor 'encoder.layer.2.attention.self.query.weight' of shape [16,16] is missing"),
        "platform": ("gru", lambda folder: None, "safetensors models are: safetensors_girandole"),
    }
    for name, (saved, change, _) in broken.items():
        place(tmp_path, name, 1, saved, change)
    (tmp_path / "platform" / "config.pbtxt").write_text('platform: "onnxruntime_onnx"\n')
    with Server(*POLL, ready=False, repository=tmp_path) as server:
        for name, (_, _, expected) in broken.items():
            wait_for(lambda: reason(server, name), f"{name} to be refused", server)
            assert expected in reason(server, name)


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def test_sealed_and_encrypted_folders_are_read_whole(tmp_path):
    key = tmp_path / "key"
    key.write_text("5a" * 32)
    models, clear = tmp_path / "models", tmp_path / "clear"
    models.mkdir()
    clear.mkdir()
    for name in ("bert_sentence_mean", "bert_sequence_sharded", "mlp"):
        place(models, f"{name}_sealed", saved=name)
        girandole("seal", models / f"{name}_sealed" / "1")
        place(clear, name)
        (models / f"{name}_encrypted").mkdir()
        girandole("encrypt", clear / name / "1", models / f"{name}_encrypted" / "1", "--key-file", key)
        girandole("seal", models / f"{name}_encrypted" / "1")
    shutil.rmtree(clear)
    with Server("--repository-settle-ms", "0", "--model-key-file", key, "--require-sha256sums", repository=models) as server:
        for path in sorted(models.iterdir()):
            assert_answers(server, path.name, path.name.rpartition("_")[0])


@pytest.mark.parametrize("path", ["", "1", "1/model.safetensors"])
def test_commands_take_a_file_a_version_or_a_model(tmp_path, path):
    place(tmp_path, "bert")
    report = json.loads(girandole("inspect", tmp_path / "bert" / path, "--json"))
    assert report["operators"]["FusedAttention"] == 2 and report["batches"]
    bench = json.loads(girandole("bench", tmp_path / "bert" / path, "--seconds", "0", "--json", "--dim", "sequence_length=8"))
    assert bench["batch"] == 1


def test_check_tells_what_would_load(tmp_path):
    place(tmp_path, "mlp")
    place(tmp_path, "bad", 1, "mlp", edit("config.json", '"linear": "6"', '"linear": "7"'))
    done = subprocess.run([BINARY, "check", tmp_path, "--json"], capture_output=True, text=True)
    found = {entry["model"]: entry for entry in json.loads(done.stdout)}
    assert done.returncode == 1 and found["mlp"]["ok"], done.stdout
    assert "tensor '7.weight' is missing, which config.json names" in found["bad"]["reason"]
