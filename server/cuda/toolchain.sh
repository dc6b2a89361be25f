#!/usr/bin/env bash
# Installs NVIDIA's CUDA 13.0 compiler without root and without a GPU, and prints the exports that use it:
#
#   eval "$(server/cuda/toolchain.sh [PREFIX])"     then: cargo build --release --features cuda
#
# PREFIX is "${XDG_CACHE_HOME:-$HOME/.cache}/girandole/cuda-13.0" unless given. The compiler comes as PyPI wheels of
# pinned versions (105 MB to fetch, 270 MB on disk, some 10 s); a stamp with those versions marks a finished prefix, and
# a prefix that has it is left as it is. Only what compiling cubins takes: nothing of CUDA is linked.
# Needs Linux with glibc, python3 with pip or venv, and a host compiler (g++) at the time nvcc runs.
set -euo pipefail

prefix=$(realpath -m "${1:-${XDG_CACHE_HOME:-$HOME/.cache}/girandole/cuda-13.0}")
packages=(
  nvidia-cuda-nvcc==13.0.88     # nvcc, cudafe++, ptxas
  nvidia-nvvm==13.0.88          # cicc, libdevice
  nvidia-cuda-crt==13.0.88      # what every translation unit includes: crt/
  nvidia-cuda-runtime==13.0.96  # cuda_runtime.h, cuda_fp16.h, cuda_bf16.h
  nvidia-cuda-cccl==13.0.85     # nv/target, which those two include
)
stamp=$prefix/.toolchain

fail() { echo "toolchain.sh: $*" >&2; exit 1; }

is_finished() { [ "$(cat "$stamp" 2>/dev/null)" = "${packages[*]}" ]; }

download() {  # SCRATCH: the wheels into SCRATCH/wheels, by pip or, where there is none, that of an own environment
  local python=python3
  if ! python3 -m pip --version >/dev/null 2>&1; then
    python3 -m venv "$1/venv" >&2 || fail "python3 has neither pip nor venv (Debian: apt-get install python3-venv)"
    python=$1/venv/bin/python
  fi
  "$python" -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
    --dest "$1/wheels" "${packages[@]}" >&2
}

install() (  # a process of its own, for its trap: makes the prefix beside its place and moves it there in one step
  if [ -e "$prefix" ] && [ ! -e "$stamp" ] && [ -n "$(ls -A "$prefix")" ]; then
    fail "$prefix is not empty and no toolchain of this script; it stays untouched"
  fi
  scratch=$(mktemp -d "$prefix.XXXXXX")
  trap 'rm -rf "$scratch"' EXIT
  download "$scratch"
  for wheel in "$scratch"/wheels/*.whl; do
    python3 -m zipfile -e "$wheel" "$scratch/tree"
  done
  chmod +x "$scratch"/tree/nvidia/cu13/{bin,nvvm/bin}/*  # zip files have no modes for zipfile
  echo "${packages[*]}" > "$scratch/tree/nvidia/cu13/${stamp##*/}"
  rm -rf "$prefix"
  mv "$scratch/tree/nvidia/cu13" "$prefix"
)

command -v python3 >/dev/null || fail "python3 is missing"
if ! is_finished; then
  mkdir -p "$(dirname "$prefix")"
  exec 9>"$prefix.lock"
  flock 9  # two builds at once: the second finds the first one's work
  is_finished || install
fi
printf "export CUDA_HOME='%s'\nexport NVCC='%s'\nexport PATH='%s':\"\$PATH\"\n" "$prefix" "$prefix/bin/nvcc" "$prefix/bin"
