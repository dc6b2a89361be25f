#!/usr/bin/env bash
# Checks the engine on the GPU against PyTorch, then measures both in turn. Ends within 8 minutes; the exit status is
# not 0 if an answer is wrong.
#
#   load-tests/gpu/run.sh BINARY MODELS_DIR OUT_DIR [--compile] [--load LOAD] [--skip-rivals] [--quick] [--dry-run]
#
# Makes the models in MODELS_DIR unless they are there. Needs python3 (or $PYTHON) with torch, transformers and onnx;
# --skip-rivals with models that are there needs none of them. --load serves an encoder too and asks it: LOAD
# is girandole-load. --dry-run tries the script itself, on the CPU.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}

case "${1-}" in
  ""|-h|--help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
[ $# -ge 3 ] || { echo "run.sh: BINARY, MODELS_DIR and OUT_DIR are needed" >&2; exit 2; }
binary=$1 models=$2 out=$3; shift 3

[ -e "$models/models.json" ] || "$python" "$here/models.py" "$models"
exec timeout 450 "$python" "$here/compare.py" "$binary" "$models" "$out" "$@"
