#!/usr/bin/env bash
# Serves a model on the first GPU and measures it over gRPC on loopback with NVIDIA's perf_analyzer: single rows, some
# number of them outstanding. Prints a table: requests a second, latencies, how many rows a batch came to have. Exit
# status 1 if a level gave no figures, as perf_analyzer gives none for what varies by more than 30 %.
#
#   load-tests/gpu/serving.sh BINARY MODEL.onnx [LEVELS]      LEVELS: 1,4,16,64,256,1024 unless given
#
# In the environment: DEVICE=gpu or cpu; PRECISION=fp16 (on the GPU); INSTANCES=2; SEQUENCE=128, the size of free
# dimensions behind the batch; WINDOW_MS=2000, of which a level takes three to eight; CLIENT_THREADS=8; OUT=FOLDER keeps
# the server's log and perf_analyzer's reports; PERF_ANALYZER: a folder with its wheel (pip download
# perf-analyzer==2.60.0) or the program [default: perf_analyzer in PATH]. It needs glibc 2.38.
set -euo pipefail

case "${1-}" in
  ""|-h|--help) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
[ $# -ge 2 ] || { echo "serving.sh: BINARY and MODEL.onnx are needed" >&2; exit 2; }
binary=$(realpath "$1") model=$2 levels=${3:-1,4,16,64,256,1024}
device=${DEVICE:-gpu}

scratch=$(mktemp -d)
out=${OUT:-$scratch/out}
mkdir -p "$out"
server=
finish() { [ -z "$server" ] || kill "$server" 2>/dev/null || true; wait || true; rm -rf "$scratch"; }
trap finish EXIT

fail() { echo "serving.sh: $*" >&2; exit 1; }

find_client() {  # perf_analyzer, taken out of its wheel where that is what there is
  local given=${PERF_ANALYZER:-perf_analyzer}
  if [ -d "$given" ]; then
    python3 -m zipfile -e "$given"/perf_analyzer-*.whl "$scratch/client"
    given=$scratch/client/perf_analyzer/bin/perf_analyzer
    chmod +x "$given"
  fi
  command -v "$given" || fail "no perf_analyzer: set PERF_ANALYZER to the folder of its wheel"
}

repository() {  # one model in the layout of a repository
  local folder=$scratch/models/benchmarked kind="kind: KIND_CPU" precision=
  if [ "$device" = gpu ]; then
    kind="kind: KIND_GPU gpus: [ 0 ]"
    precision="parameters { key: \"precision\" value { string_value: \"${PRECISION:-fp16}\" } }"
  fi
  mkdir -p "$folder/1"
  cp "$model" "$folder/1/model.onnx"
  cat > "$folder/config.pbtxt" <<CONFIG
max_batch_size: 128
dynamic_batching { max_queue_delay_microseconds: 0 }
instance_group { count: ${INSTANCES:-2} $kind }
$precision
CONFIG
}

start() {  # the server on free ports, until it has tried the model; sets `rest` and `grpc`
  "$binary" serve --model-repository "$scratch/models" --http-port 0 --grpc-port 0 --metrics-port 0 --admin-address off \
    > "$out/server.out" 2> "$out/server.log" &
  server=$!
  for _ in $(seq 1800); do
    if ! kill -0 "$server" 2>/dev/null || grep -q "the repository was loaded" "$out/server.log"; then break; fi
    sleep 0.1
  done
  rest=$(sed -n 's/.* rest=\([^ ]*\).*/\1/p' "$out/server.out")
  grpc=$(sed -n 's/.* grpc=\([^ ]*\).*/\1/p' "$out/server.out")
  is_ready || { tail -n 20 "$out/server.log" >&2; fail "the model does not serve"; }
}

is_ready() {
  python3 -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1])' \
    "http://$rest/v2/models/benchmarked/ready" 2>/dev/null
}

row_of_inputs() {  # perf_analyzer's description of one request: integers are 1, the rest small numbers
  python3 - "http://$rest/v2/models/benchmarked" "${SEQUENCE:-128}" <<'PYTHON'
import json
import math
import sys
import urllib.request

url, free = sys.argv[1], int(sys.argv[2])
row = {}
for tensor in json.load(urllib.request.urlopen(url))["inputs"]:
    shape = [free if size == -1 else size for size in tensor["shape"][1:]]
    real = tensor["datatype"].startswith(("FP", "BF"))
    row[tensor["name"]] = {"shape": shape,
                           "content": [math.sin(i) if real else 1 for i in range(math.prod(shape))]}
json.dump({"data": [row]}, sys.stdout)
PYTHON
}

level() {  # OUTSTANDING: measures and prints one line of the table; fails where no figures came out
  local report=$out/level-$1
  "$client" -m benchmarked -u "$grpc" -i grpc --async --concurrency-range "$1" --input-data "$scratch/inputs.json" \
    --max-threads "${CLIENT_THREADS:-8}" --measurement-interval "${WINDOW_MS:-2000}" --stability-percentage 30 \
    --max-trials 8 --verbose-csv -f "$report.csv" > "$report.txt" 2>&1 ||
    { echo "| $1 | – | – | – | $(grep -v '^ *$' "$report.txt" | tail -n 1) |"; return 1; }
  awk -v outstanding="$1" -v report="$report.txt" '
    BEGIN {
      FS = ","
      while ((getline line < report) > 0) {
        split(line, part, ":")
        if (line ~ /^ *Inference count:/) rows = part[2]
        if (line ~ /^ *Execution count:/) batches = part[2]
      }
    }
    NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i }
    NR == 2 {
      printf "| %d | %.0f | %.0f | %.0f | %.1f |\n", outstanding, $column["Inferences/Second"],
        $column["p50 latency"], $column["p99 latency"], batches ? rows / batches : 0
    }' "$report.csv"
}

client=$(find_client)
repository
start
row_of_inputs > "$scratch/inputs.json"
echo "| outstanding | rows/s | p50 µs | p99 µs | rows a batch |"
echo "|---|---|---|---|---|"
status=0
for outstanding in ${levels//,/ }; do
  level "$outstanding" || status=1
done
exit "$status"
