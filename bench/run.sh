#!/bin/sh
# run.sh - everything `make bench` measures, in about three minutes: speeds as ratios to the limits of this machine,
# measured in the same run. What other programs reach: bench/peers/README.md.
#
# BUILD: where the programs are. BENCH_TEXT: texts to embed instead of made ones (a .tsv: its first two columns).
set -e
BUILD=${BUILD:-build}
BENCH_COMMIT=$(git describe --always --dirty 2>/dev/null || echo unknown)
export BENCH_COMMIT
models=$BUILD/bench-models
echo "== whole encoders, 32 sentences of 32 tokens"
"$BUILD/bench/bench_encoder" --folder "$models"
echo "== what a user waits for"
"$BUILD/bench/bench_whole" --folder "$models" --command "$BUILD/bert4c" ${BENCH_TEXT:+--text "$BENCH_TEXT"}
echo "== products, % of the limit of one core"
"$BUILD/bench/bench_kernels" --budget 0.03
echo "== the tokenizer alone, one thread"
"$BUILD/bench/bench_tokenize"
