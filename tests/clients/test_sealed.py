"""Signed and encrypted versions: what they answer, what is refused and why, and what goes on serving."""
import json
import os
import pathlib
import shutil
import subprocess

import numpy as np
import onnx
import pytest

import repository
from server import BINARY, ROOT, Server, wait_for

POLL = ("--model-control-mode", "poll", "--repository-poll-secs", "1")
WIDTH = 192  # so that the weights are several chunks of 64 KiB
X = {"inputs": [{"name": "x", "shape": [1, WIDTH], "datatype": "FP32", "data": list(range(WIDTH))}]}


def girandole(*arguments, code=0):
    """What a command prints."""
    done = subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def openssl(*arguments):
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=True).stdout


class Signer:
    """A key pair as `openssl` makes it."""

    def __init__(self, folder, name):
        self.private, self.public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
        openssl("genpkey", "-algorithm", "ed25519", "-out", self.private)
        openssl("pkey", "-in", self.private, "-pubout", "-out", self.public)


@pytest.fixture
def key(tmp_path):
    """A file with a key for models."""
    path = tmp_path / "model.key"
    path.write_text(openssl("rand", "-hex", "32"))
    return path


@pytest.fixture
def models(tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


def save(model, folder):
    """Writes a model with its weights beside it."""
    folder.mkdir(parents=True)
    onnx.save(model, folder / "model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    assert (folder / "weights.bin").stat().st_size > 2 * 65_536
    return folder


def encrypt(folder, target, key, *seal):
    """An encrypted version in one step, sealed."""
    aside = target.parent.parent / f".{target.parent.name}.{target.name}" / target.name
    aside.parent.mkdir()
    target.parent.mkdir(exist_ok=True)
    girandole("encrypt", folder, aside, "--key-file", key)
    girandole("seal", aside, *seal)
    aside.rename(target)
    aside.parent.rmdir()


def reason(server, model, version=1):
    entries = json.loads(server.post("/v2/repository/index")[2])
    found = [entry for entry in entries if entry["name"] == model and entry.get("version") == str(version)]
    return found[0].get("reason", "") if found and found[0].get("state") == "UNAVAILABLE" else None


def until_refused(server, model, version=1):
    wait_for(lambda: reason(server, model, version), f"{model} {version} to be refused", server)
    return reason(server, model, version)


def product(server, model, version=None):
    status, answer = server.infer(model, X, version)
    assert status == 200, answer
    return {output["name"]: output["data"] for output in answer["outputs"]}["product"]


@pytest.mark.parametrize("source", ["file", "env", "command"])
def test_encrypted_models_answer_as_they_did(models, tmp_path, key, source, monkeypatch):
    monkeypatch.setenv("MODEL_KEYS", key.read_text())
    options = {"file": ("--model-key-file", key), "env": ("--model-key-env", "MODEL_KEYS"),
               "command": ("--model-key-command", f"cat '{key}'")}[source]
    real = sorted((ROOT / "model-repo").iterdir())
    for model in real:
        shutil.copytree(model, models / model.name)
        copy = models / f"{model.name}-encrypted"
        copy.mkdir()
        config = (model / "config.pbtxt").read_text().replace(f'name: "{model.name}"', "", 1)
        (copy / "config.pbtxt").write_text(config)
        for labels in model.glob("labels.txt"):
            shutil.copy(labels, copy)
        for version in model.glob("[12]"):
            encrypt(version, copy / version.name, key)
    clear = save(repository.scaled(3, WIDTH), tmp_path / "clear")
    shutil.copytree(clear, models / "external" / "1")
    encrypt(clear, models / "external-encrypted" / "1", key)
    assert sorted(os.listdir(models / "external-encrypted" / "1")) == ["SHA256SUMS", "model.onnx.enc", "weights.bin.enc"]
    with Server(*options, repository=models) as server:
        for model in real:
            body = json.loads((model / "example.json").read_text())
            answers = [server.infer(name, body) for name in (model.name, f"{model.name}-encrypted")]
            assert answers[0][0] == answers[1][0] == 200, answers
            assert answers[0][1]["outputs"] == answers[1][1]["outputs"]
        assert product(server, "external") == product(server, "external-encrypted") == [3 * x for x in range(WIDTH)]


def test_nothing_in_clear_is_written(models, tmp_path, key, monkeypatch):
    secret = np.random.default_rng(7).standard_normal((WIDTH, WIDTH)).astype(np.float32)
    model = repository.scaled(1, WIDTH)
    next(t for t in model.graph.initializer if t.name == "matrix").raw_data = secret.tobytes()
    clear = save(model, tmp_path / "clear")
    part = secret.tobytes()[8000:8032]
    assert part in (clear / "weights.bin").read_bytes()
    encrypt(clear, models / "m" / "1", key)
    shutil.rmtree(clear)
    temporary, state = tmp_path / "tmp", tmp_path / "state"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    with Server("--model-key-file", key, "--state-dir", state, repository=models) as server:
        assert len(product(server, "m")) == WIDTH
        held = list(pathlib.Path(f"/proc/{server.process.pid}/fd").iterdir())
        opened = {os.readlink(link) for link in held if os.path.lexists(link)}
        assert not any(str(models) in path for path in opened), "a model's files are closed when it serves"
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        files += [pathlib.Path(path) for path in opened if path.startswith("/") and pathlib.Path(path).is_file()]
        assert len(files) > 3 and not list(temporary.iterdir())
        for path in files:
            assert part not in path.read_bytes(), path
        key_bytes = key.read_text().strip()
        assert key_bytes not in server.log() and key_bytes not in server.metrics()


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_an_encrypted_reload_that_fails_leaves_the_old_version_serving(models, tmp_path, key):
    other = tmp_path / "other.key"
    other.write_text(openssl("rand", "-base64", "32"))
    versions = {number: save(repository.scaled(number, WIDTH), tmp_path / "clear" / str(number)) for number in (1, 2, 3, 4, 5, 6)}
    encrypt(versions[1], models / "m" / "1", key)
    with Server(*POLL, "--repository-settle-ms", "300", "--model-key-file", key, repository=models) as server:
        assert product(server, "m")[1] == 1

        def add(number, change, with_key=key):
            folder = tmp_path / "draft" / str(number)
            encrypt(versions[number], folder, with_key)
            (folder / "SHA256SUMS").unlink()  # so that it is not the digests that refuse it
            change(folder)
            folder.rename(models / "m" / str(number))
            why = until_refused(server, "m", number)
            assert product(server, "m")[1] == 1
            return why

        (tmp_path / "draft").mkdir()
        assert "it is encrypted with the key" in add(2, lambda folder: None, other)
        flipped = add(3, lambda folder: flip(folder / "weights.bin.enc", 5000))
        assert "bytes 0 to 65536 cannot be decrypted" in flipped, flipped
        cut = add(4, lambda folder: os.truncate(folder / "weights.bin.enc", 9000))
        assert "weights.bin" in cut and "cut short" in cut, cut

        def swap(folder):
            (folder / "model.onnx.enc").rename(folder / "x")
            (folder / "weights.bin.enc").rename(folder / "model.onnx.enc")
            (folder / "x").rename(folder / "weights.bin.enc")
        assert "belongs under another name" in add(5, swap)
        # The key's file is read anew: an operator who adds the key makes the next version load.
        key.write_text(f"{other.read_text()}{key.read_text()}")
        encrypt(versions[6], models / "m" / "6", other)
        wait_for(lambda: product(server, "m")[1] == 6, "version 6", server)


def test_a_server_without_the_key_says_so_and_one_with_a_bad_key_does_not_start(models, tmp_path, key):
    encrypt(save(repository.scaled(3, WIDTH), tmp_path / "clear"), models / "m" / "1", key)
    with Server(repository=models, ready=False) as server:
        assert "it is encrypted, and this server has no keys" in until_refused(server, "m")
    for options, why in [(("--model-key-file", "/nowhere"), "the file of model keys cannot be read"),
                         (("--model-key-env", "NO_SUCH_NAME"), "NO_SUCH_NAME"),
                         (("--model-key-command", "exit 7"), "exit status: 7"),
                         (("--model-key-file", key, "--model-key-env", "X"), "keys come from one place"),
                         (("--trusted-keys", key), "Ed25519 public keys")]:
        assert why in girandole("serve", "--model-repository", models, "--http-port", 0, "--grpc-port", 0,
                                "--metrics-port", 0, "--admin-port", 0, *options, code=1)
    assert "ok " in girandole("check", models, "--model-key-command", f"cat '{key}'")


def test_signatures_are_what_sha256sum_and_openssl_take(models, tmp_path):
    repository.place(models, "m", repository.scaled(1))
    signer = Signer(tmp_path, "a")
    assert "sealed and signed" in girandole("seal", models / "m", "--sign", signer.private)
    folder = models / "m" / "1"
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=folder, check=True)
    said = openssl("pkeyutl", "-verify", "-pubin", "-inkey", signer.public, "-rawin", "-in", folder / "SHA256SUMS",
                   "-sigfile", folder / "SHA256SUMS.sig")
    assert "Verified Successfully" in said
    # And the other way round.
    openssl("pkeyutl", "-sign", "-rawin", "-inkey", signer.private, "-in", folder / "SHA256SUMS",
            "-out", folder / "SHA256SUMS.sig")
    assert "ok " in girandole("check", models, "--trusted-keys", signer.public)
    flip(folder / "SHA256SUMS.sig", 0)
    failed = subprocess.run([BINARY, "check", models, "--trusted-keys", signer.public], capture_output=True, text=True)
    assert failed.returncode == 1 and "SHA256SUMS.sig: it is by none of the 1 trusted keys" in failed.stdout


def test_only_what_a_trusted_key_signed_serves(models, tmp_path):
    old, new, stranger = (Signer(tmp_path, name) for name in ("old", "new", "stranger"))
    trusted = tmp_path / "trusted.pem"
    trusted.write_text(old.public.read_text())

    def version(number, *seal, change=None):
        draft = tmp_path / "draft" / str(number)
        repository.place(tmp_path, "draft", repository.scaled(number, WIDTH), version=number)
        if seal:
            girandole("seal", draft, *seal, "--model", "m")
        if change:
            change(draft)
        (models / "m").mkdir(exist_ok=True)
        draft.rename(models / "m" / str(number))

    version(1, "--sign", old.private)
    with Server(*POLL, "--repository-settle-ms", "300", "--trusted-keys", trusted, repository=models) as server:
        for number, seal, change, why in [
            (2, (), None, "it has no SHA256SUMS, which this server requires"),
            (3, ("--sign", old.private), lambda folder: (folder / "SHA256SUMS.sig").unlink(), "it has no SHA256SUMS.sig"),
            (4, ("--sign", stranger.private), None, "by none of the 1 trusted keys"),
            (5, ("--sign", old.private), lambda folder: flip(folder / "model.onnx", 40), "'model.onnx' differs"),
            (6, ("--sign", old.private), lambda folder: (folder / "more").touch(), "'more' is not listed"),
            (7, ("--sign", new.private), None, "by none of the 1 trusted keys"),
        ]:
            version(number, *seal, change=change)
            assert why in until_refused(server, "m", number)
            assert product(server, "m")[1] == 1
        # A new key beside the old one; the next version is signed with it.
        trusted.write_text(old.public.read_text() + new.public.read_text())
        version(8, "--sign", new.private)
        wait_for(lambda: product(server, "m")[1] == 8, "version 8", server)


def test_a_signed_version_serves_under_its_own_name_alone(models, tmp_path):
    signer = Signer(tmp_path, "a")
    for number in (1, 2):
        repository.place(models, "m", repository.scaled(number, WIDTH), version=number)
    said = girandole("seal", models / "m", "--sign", signer.private)
    assert "sealed and signed as version 2 of model 'm'" in said
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=models / "m" / "2", check=True)
    policy = ("--repository-settle-ms", "300", "--trusted-keys", signer.public)
    with Server(*POLL, *policy, repository=models) as server:
        assert product(server, "m")[1] == 2
        # An old version as the newest, and one model's as another's.
        shutil.copytree(models / "m" / "1", models / "m" / "9")
        shutil.copytree(models / "m" / "2", models / "n" / "2")
        why = until_refused(server, "m", 9)
        assert "it is signed as version 1 of model 'm', and stands here as version 9 of model 'm'" in why, why
        assert "signed as version 2 of model 'm'" in until_refused(server, "n", 2)
        assert product(server, "m")[1] == 2
        # Signed anew it is what it stands as, and one for any name is that everywhere.
        girandole("seal", models / "m" / "9", "--sign", signer.private)
        wait_for(lambda: product(server, "m")[1] == 1, "version 9", server)
        any_name = tmp_path / "any" / "1"
        shutil.copytree(models / "m" / "2", any_name)
        girandole("seal", any_name, "--sign", signer.private, "--any-name")
        shutil.copytree(any_name, models / "m" / "10")
        wait_for(lambda: product(server, "m")[1] == 2, "version 10", server)
    assert "cannot be a model's name" in girandole("seal", folder_of_no_model(tmp_path), "--sign", signer.private, code=1)


def folder_of_no_model(tmp_path):
    repository.place(tmp_path, ".draft", repository.scaled(1))
    return tmp_path / ".draft" / "1"
