#!/usr/bin/env bash
# Figures of lab2 on one GPU, in at most 8 minutes. Run it in the root of a checkout, on a machine with a GPU:
#   DATA=folder/of/mnist OUT=folder/for/results bash benchmarks/gpu/check.sh [arguments of python -m benchmarks.gpu]
# The machine's python3 needs torch with CUDA and what lab2 imports. What it lacks may lie as wheels in .whl/.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
PYTHON=${PYTHON:-python3}
if [ -d .whl ]; then
  "$PYTHON" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade --target /tmp/site .whl/*.whl ||
    exit
  export PYTHONPATH=/tmp/site${PYTHONPATH:+:$PYTHONPATH}
fi
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1
export OUT=${OUT:-/tmp/gpu-check} LAB2_CACHE=${LAB2_CACHE:-/tmp/gpu-check-cache}
mkdir -p "$OUT" "$LAB2_CACHE/data"
[ -z "${DATA:-}" ] || ln -sfn "$(realpath "$DATA")" "$LAB2_CACHE/data/mnist"
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
runs=$(mktemp -d)
"$PYTHON" -X faulthandler -m benchmarks.gpu --out "$runs" "$@" 2>"$OUT/stderr.log" | tee "$OUT/console.log"
cp "$runs"/*.md "$runs"/*.json "$OUT/"
mkdir -p "$OUT/shards"
cp "$runs"/first/2*/shards/*.json "$OUT/shards/"
