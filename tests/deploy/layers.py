"""Runs the steps of Dockerfile.cuda as the file has them, where there is no container engine.

    python tests/deploy/layers.py                 both images: five minutes on two cores, as root, with Debian and Rust
    python tests/deploy/layers.py --as-released   crates and server optimised, as the file has it; else they are not
    python tests/deploy/layers.py --possible      ends with 0 where stages can be made here, and makes none

Each stage has a root of its own: an overlay over this machine's root, or over the root of the stage that it is made
from, in memory and in a mount namespace of this process. So packages are installed, users made and crates built without
a trace on the machine. This machine stands in for the base images; the versions of Debian's and Rust's are compared with
it. Not shown is what NVIDIA's base image and its packages are: they are nowhere but at NVIDIA, and not installed here.

The CUDA build begins with what the CPU build left in `target`, to build what they share only once.
"""
import argparse
import dataclasses
import os
import pathlib
import re
import subprocess
import sys
import time

import dockerfile

LAYERS = pathlib.Path("/run/girandole-layers")
# What is not of a layer: the kernel's own, and what makes names known to a container.
OF_THE_MACHINE = ("/proc", "/dev", "/sys")
# Crates are built to see that they are built, not to be run fast.
QUICK = {"CARGO_PROFILE_RELEASE_OPT_LEVEL": "0", "CARGO_PROFILE_RELEASE_LTO": "off", "CARGO_PROFILE_RELEASE_DEBUG": "0",
         "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16", "GIRANDOLE_CUDA_ARCHITECTURES": "90"}
# Whose base has packages that are nowhere but at its publisher.
NOT_DEBIAN = ("cuda",)


@dataclasses.dataclass
class Stage:
    """A stage that was begun: where its root is seen, what lies over the machine's, its state between steps."""
    name: str
    root: pathlib.Path
    layers: tuple
    folder: str
    variables: dict

    def inside(self, path):
        return self.root / os.path.normpath(os.path.join(self.folder, path)).lstrip("/")


def begin(name, parent, under=()):
    """The root of a stage over that of its parent, and over other stages' layers."""
    layers = (*under, *(parent.layers if parent else ()))
    upper, work, root = (LAYERS / part / name for part in ("upper", "work", "root"))
    for folder in (upper, work, root):
        folder.mkdir(parents=True)
    lower = ":".join([*map(str, layers), "/"])
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, root], check=True)
    for folder in OF_THE_MACHINE:
        subprocess.run(["mount", "--rbind", folder, root / folder.lstrip("/")], check=True)
    folder, variables = (parent.folder, dict(parent.variables)) if parent else ("/", {})
    return Stage(name, root, (upper, *layers), folder, variables)


def check_base(image):
    """That this machine is what the image would be."""
    name, tag = image.split(":")
    rust = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    debian = re.search(r"VERSION_CODENAME=(\w+)", pathlib.Path("/etc/os-release").read_text())[1]
    here = {"rust": f"{rust.rsplit('.', 1)[0]}-{debian}", "debian": f"{debian}-slim"}.get(name)
    if tag != here:
        print(f"warning: {image} is wanted, and {name}:{here} is here", file=sys.stderr)


def copy(step, stage, begun):
    if not step.flag("from"):
        return dockerfile.copy_step(step, stage.inside)
    sources, target = step.paths()
    for source in sources:
        at = stage.inside(target)
        at.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", begun[step.flag("from")].inside(source), at], check=True)


def run(command, stage, settings):
    """A command in the stage's root; gives what it said."""
    inside = ["chroot", stage.root, "env", f"--chdir={stage.folder}", "sh", "-ec", command]
    began, environment = time.monotonic(), os.environ | settings | stage.variables
    done = subprocess.run(inside, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    print(f"{stage.name:10} {time.monotonic() - began:5.0f} s  {command}", flush=True)
    if done.returncode:
        raise SystemExit(f"ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def runnable(step):
    """What can be run of a step here: packages that Debian does not have are left out."""
    foreign = step.stage in NOT_DEBIAN
    return " && ".join(command for command in step.commands() if not (foreign and command.startswith("apt-get")))


def check_reuse(said):
    """That our sources alone were built, and the crates came from the layer below."""
    built = re.findall(r"^\s*Compiling (\S+)", said, re.MULTILINE)
    anew = [crate for crate in built if not crate.startswith("girandole")]
    if anew or not built:
        raise SystemExit(f"of {len(built)} crates these were built again: {', '.join(anew)}")


def do(step, stage, begun, settings):
    """A step of a stage that was begun; what only says how an image is run does nothing here."""
    match step.name:
        case "RUN":
            said = run(runnable(step), stage, settings)
            if step.value.startswith("cargo build"):
                check_reuse(said)
        case "COPY":
            copy(step, stage, begun)
        case "WORKDIR":
            stage.folder = step.value
            stage.inside(".").mkdir(parents=True, exist_ok=True)
        case "ENV":
            stage.variables |= dict(pair.split("=") for pair in step.value.split())


def prepare():
    """Memory for layers, seen by nobody else."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=80%", "tmpfs", LAYERS], check=True)


def build(settings):
    """Every stage in order; gives those that were begun."""
    begun = {}
    for step in dockerfile.steps():
        if step.name != "FROM":
            do(step, begun[step.stage], begun, settings)
            continue
        base = step.value.split(" AS ")[0]
        if base not in begun and step.stage not in NOT_DEBIAN:
            check_base(base)
        under = begun["build-cpu"].layers[:1] if step.stage == "build-cuda" else ()
        begun[step.stage] = begin(step.stage, begun.get(base), under)
    return begun


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--as-released", action="store_true", help="optimise as the file says")
    parser.add_argument("--possible", action="store_true", help="only say by the status whether stages can be made")
    parser.add_argument("--in-namespace", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not arguments.in_namespace:
        LAYERS.mkdir(exist_ok=True)
        alone = ["unshare", "--mount", sys.executable, *sys.argv, "--in-namespace"]
        if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
            raise SystemExit("stages need roots of their own: run this as root")
        os.execvp(alone[0], alone)
    prepare()
    if arguments.possible:
        return run("apt-get --version", begin("possible", None), {})
    begun = build({} if arguments.as_released else QUICK)
    for name in ("cpu", "cuda"):
        run("girandole --version", begun[name], {})


if __name__ == "__main__":
    main()
