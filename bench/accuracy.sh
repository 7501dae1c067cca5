#!/bin/sh
# accuracy.sh FOLDER|FILE.tsv ... - the table of docs/accuracy.md: how well cosines agree with labels, by
# dtype. Each file: text, text, label, parted by tabs; folders are searched for *.tsv.
#
# Environment: BERT4C (the command), MODEL (default: the command's own), DTYPES ("f32 bf16 int8").
set -eu
bert4c=${BERT4C:-build/bert4c}
dtypes=${DTYPES:-f32 bf16 int8}
[ $# -gt 0 ] || { sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2; }

find "$@" -name '*.tsv' | LC_ALL=C sort | while IFS= read -r file; do
    row="| $(basename "$file" .tsv)"
    for dtype in $dtypes; do
        cell=$("$bert4c" similar -q ${MODEL:+-m "$MODEL"} --dtype "$dtype" -f "$file" --label 3 --summary |
            awk '$1 == "pairs" { n = $2 } $1 == "spearman" { s = $2 } $1 == "auc" { a = $2 }
                END { if (n == "") exit 1; printf "%d %.2f%s", n, 100 * s, a == "" ? "" : sprintf(" (%.4f)", a) }')
        [ "$dtype" = "${dtypes%% *}" ] && row="$row | ${cell%% *}"
        row="$row | ${cell#* }"
    done
    echo "$row |"
done
