"""Reads Dockerfile.cuda and runs what can be run of it where there is no container engine.

    python tests/deploy/dockerfile.py    says of each step of the CPU image what is done with it, and does what is cheap

Shown is: every step is a script that the shell takes; what a stage copies is all that cargo wants; the build's package,
features and flags exist; stripping leaves a binary that runs; test_dockerfile.py runs the CPU image's command in a root
with what its last stage has. layers.py runs every step, as root. Not shown is what only an engine can: that base images
exist, that NVIDIA's has the packages that are named and the CUDA image all that the binary loads.
"""
import dataclasses
import fnmatch
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).parents[2]
FILE = ROOT / "Dockerfile.cuda"
IGNORE = ROOT / "Dockerfile.cuda.dockerignore"
OUTPUT = "target/release/girandole"


@dataclasses.dataclass
class Step:
    """One instruction of a stage."""
    stage: str
    name: str
    value: str

    def flag(self, name):
        found = re.search(rf"--{name}=(\S+)", self.value)
        return found and found[1]

    def commands(self):
        """The commands of a RUN, one by one."""
        return [command.strip() for command in self.value.split("&&")]

    def paths(self):
        """Sources and target of a COPY."""
        words = [word for word in shlex.split(self.value) if not word.startswith("--")]
        return words[:-1], words[-1]


def steps(text=None):
    """Every instruction, in order."""
    lines = (text or FILE.read_text()).splitlines()
    joined = "\n".join(line for line in lines if not line.lstrip().startswith("#")).replace("\\\n", " ")
    stage, found = "", []
    for line in filter(None, map(str.strip, joined.splitlines())):
        name, value = line.split(maxsplit=1)
        if name == "FROM":
            stage = value.split(" AS ")[1]
        found.append(Step(stage, name, value))
    return found


def of_target(target):
    """The steps of a stage and of all that it is made from, in order."""
    every, wanted = steps(), [target]
    for stage in wanted:
        for step in every:
            if step.stage == stage:
                base = step.value.split(" AS ")[0] if step.name == "FROM" else step.flag("from")
                if base in {other.stage for other in every} and base not in wanted:
                    wanted.append(base)
    return [step for step in every if step.stage in wanted]


def ignored(path):
    """Whether the context lacks a path: of the patterns that fit, the last one counts."""
    verdict = False
    for line in IGNORE.read_text().splitlines():
        pattern = line.lstrip("!")
        if not line or line.startswith("#"):
            continue
        parents = [str(parent) for parent in (path, *path.parents)][:-1]
        loose = pattern.removeprefix("**/")
        fits = any(fnmatch.fnmatch(parent, pattern) for parent in parents)
        if fits or (loose != pattern and loose in path.parts):
            verdict = not line.startswith("!")
    return verdict


def copy_context(stage, sandbox):
    """Lays out in the sandbox what the stage copies from the context."""
    for step in of_target(stage):
        if step.name == "COPY" and step.stage == stage and not step.flag("from"):
            copy_step(step, lambda target: sandbox / target)


def copy_step(step, place):
    """Lays out what a COPY takes from the context; `place` says where a path of the image is."""
    sources, target = step.paths()
    for source in sources:
        copy(pathlib.Path(source), place(target) / (source if target.endswith("/") and (ROOT / source).is_file() else ""))


def copy(source, target):
    if ignored(source):
        raise SystemExit(f"{source} is copied, but {IGNORE.name} leaves it out")
    if (ROOT / source).is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / source, target)
        return
    for entry in sorted((ROOT / source).iterdir()):
        inner = source / entry.name
        if not ignored(inner):
            copy(inner, target / entry.name)


def run(command, sandbox):
    done = subprocess.run(["sh", "-euc", command], cwd=sandbox, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{command}\nended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def check_syntax(command):
    done = subprocess.run(["sh", "-n"], input=command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{command}\nis no script: {done.stderr}")


def build_flags(command):
    """The package and features that `cargo build` is told."""
    words = shlex.split(command)
    return words[words.index("--package") + 1], words[words.index("--features") + 1] if "--features" in words else None


def do(command, sandbox):
    """Runs a command where that is cheap; says what was done with it."""
    check_syntax(command)
    if command.startswith("strip"):
        if not (sandbox / OUTPUT).exists():
            (sandbox / OUTPUT).parent.mkdir(parents=True)
            shutil.copy(os.environ.get("GIRANDOLE_BINARY", ROOT / "target" / "debug" / "girandole"), sandbox / OUTPUT)
        run(f"{command} && {OUTPUT} --version", sandbox)
        return "ran"
    return "read"


def main():
    with tempfile.TemporaryDirectory() as folder:
        sandbox = pathlib.Path(folder)
        copy_context("build-cpu", sandbox)
        # Crates of other platforms were never fetched.
        host = "$(rustc -vV | sed -n 's/^host: //p')"
        run(f'cargo metadata --locked --offline --filter-platform "{host}" --format-version 1 > /dev/null', sandbox)
        print("ran     (the workspace in what is copied is complete and locked)")
        for step in of_target("cpu"):
            for command in step.commands() if step.name == "RUN" else ():
                print(f"{do(command, sandbox):7} {step.stage}: {command}")


if __name__ == "__main__":
    main()
