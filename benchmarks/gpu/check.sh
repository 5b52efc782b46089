#!/usr/bin/env bash
# Figures of lab2 on one GPU, in at most 8 minutes. Run it in the root of a checkout, on a machine with a GPU:
#   DATA=folder/of/mnist OUT=folder/for/results bash benchmarks/gpu/check.sh
# The machine's python3 needs torch with CUDA and what lab2 imports. What it lacks may lie as wheels in .whl/.
# DEVICE=cpu SHORT=1 JOBS="cnn vit" tries the script itself where there is no GPU: its figures then mean nothing.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
LIMIT=${LIMIT:-450}
STARTED=$(date +%s)
left() { echo $((LIMIT - $(date +%s) + STARTED)); }
say() { echo "[$(($(date +%s) - STARTED)) s] $*"; }

PYTHON=${PYTHON:-python3}
if [ -d .whl ]; then
  "$PYTHON" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade --target /tmp/site .whl/*.whl || exit
  export PYTHONPATH=/tmp/site${PYTHONPATH:+:$PYTHONPATH}
fi
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH} PYTHONUNBUFFERED=1
export OUT=${OUT:-/tmp/gpu-check} DEVICE=${DEVICE:-cuda} LAB2_CACHE=${LAB2_CACHE:-/tmp/gpu-check-cache}
RUNS=$OUT.runs
rm -rf "$RUNS"
mkdir -p "$OUT" "$RUNS" "$LAB2_CACHE/data"
[ -z "${DATA:-}" ] || ln -sfn "$(realpath "$DATA")" "$LAB2_CACHE/data/mnist"
short=()
[ -z "${SHORT:-}" ] || short=(--set train.epochs=0.02)
read -ra five <<<"${JOBS:-cnn vit alexnet vgg16 faster_rcnn}"

figures() { timeout "$(left)" "$PYTHON" -m benchmarks.gpu "$@"; }
train() { # FOLDER JOB [ARGUMENTS]: one trial in a process of its own; its log goes to $OUT
  timeout "$(left)" "$PYTHON" -m lab2.cli train "$2" --device "$DEVICE" --runs "$RUNS/$1" "${short[@]}" "${@:3}" \
    >"$OUT/$1-$2.log" 2>&1
}

say "1. the machine and its ceilings"
[ "$DEVICE" = cpu ] || figures ceilings

say "2. five rows, each in a process of its own"
for job in "${five[@]}"; do
  train first "$job"
  figures row "$RUNS/first" "$job"
done

say "3. the same again, two at a time: the same bits?"
for job in "${five[@]}"; do
  while [ "$(jobs -rp | wc -l)" -ge 2 ]; do wait -n; done
  train second "$job" &
done
wait
for job in "${five[@]}"; do figures same "$RUNS/first" "$RUNS/second" "$job"; done

say "4. a SIGTERM in the middle, then on from the checkpoint: the same bits?"
train resumed vit &
trial=$!
figures await-training "$RUNS/resumed" vit && pkill -TERM -f -- "lab2.cli train vit --device $DEVICE --runs $RUNS/resumed"
wait $trial
timeout 60 "$PYTHON" -m lab2.cli resume latest --runs "$RUNS/resumed" >>"$OUT/resumed-vit.log" 2>&1
grep -hr "going on from" "$RUNS"/resumed/*/logs | tail -1
figures same "$RUNS/first" "$RUNS/resumed" vit

say "5. a step: its time, its kernels and its waits"
for job in "${five[@]}"; do
  [ "$(left)" -gt 20 ] && timeout 45 "$PYTHON" -m benchmarks.gpu step "$job" 2>>"$OUT/step.err"
done

say "6. ten seeds of the CNN in one run"
[ "$(left)" -gt 40 ] && timeout "$(left)" "$PYTHON" -m lab2.cli run-local --jobs cnn --seeds 10 --no-baselines \
  --device "$DEVICE" --runs "$RUNS/seeds" "${short[@]}" >"$OUT/seeds.log" 2>&1 && figures seeds "$RUNS/seeds"

say "7. the table"
figures table "$RUNS/first" | tee "$OUT/table.md"
mkdir -p "$OUT/shards"
cp "$RUNS"/first/2*/shards/*.json "$OUT/shards/"

tar -C "$OUT" -czf "$OUT/logs.tgz" --exclude logs.tgz .
say "done"
