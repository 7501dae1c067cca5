#!/bin/sh
# run.sh [QUERY] - `make run`: set up and build if that was not done, have the default model, then embed the
# sentences of examples/sentences.txt and rank them by their cosine with a query.
set -eu
cd "$(dirname "$0")/.."
query=${1:-明天的火车票想退掉，怎么办？}
bert4c=${BERT4C:-build/bert4c}
sentences=examples/sentences.txt
tab=$(printf '\t')

if [ ! -x "$bert4c" ]; then
    pkg-config --exists jansson libutf8proc libcurl 2> /dev/null || sh scripts/setup.sh
    make -j2
fi
BERT4C=$bert4c sh scripts/get-model.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$bert4c" embed -f "$sentences" -o "$work/sentences.npy"
sed "s/^/$(printf %s "$query" | sed 's/[&/\]/\\&/g')$tab/" "$sentences" | "$bert4c" similar -q > "$work/scored.tsv"

echo
echo "  $query"
echo
LC_ALL=C sort -t "$tab" -k3,3nr "$work/scored.tsv" | head -n "${TOP:-10}" |
    awk -F '\t' '{ printf "  %2d  %.4f  %s\n", NR, $3, $2 }'
