#!/bin/sh
# symbols.sh LIBRARY.so LIBRARY.a - what the library shows: the shared one exactly the functions that
# bert4c.h marks B4C_API, the static one only names that begin with b4c_.
set -u
so=$1 archive=$2
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
bad=0

# A declaration may go over several lines; the name is the last word before its first parenthesis.
grep -v '^#' include/bert4c.h | tr '\n' ' ' | sed 's/B4C_API /\n@/g' | sed -n 's/^@\([^(;]*\)(.*/\1/p' |
    sed 's/.*[ *]\(b4c_[a-z0-9_]*\)[[:space:]]*$/\1/' | sort > "$work/declared"
nm -D --defined-only "$so" | awk 'NF == 3 { print $3 }' | grep -v -e '^_init$' -e '^_fini$' | sort > "$work/exported"
nm -g --defined-only "$archive" 2>/dev/null | awk 'NF == 3 { print $3 }' | sort -u > "$work/global"

report() {
    [ -s "$work/found" ] || return 0
    sed "s/^/$1: /" "$work/found"
    bad=1
}
comm -13 "$work/declared" "$work/exported" > "$work/found"
report "exported, but not declared B4C_API in bert4c.h"
comm -23 "$work/declared" "$work/exported" > "$work/found"
report "declared in bert4c.h, but not in the library"
grep -v -e '^b4c_' -e '^__asan_' -e '^__odr_asan' -e '^DW.ref' "$work/global" > "$work/found"
report "global in the library, but not b4c_"

[ $bad -eq 0 ] && echo "symbols: $(wc -l < "$work/exported") exported, $(wc -l < "$work/global") inside, all b4c_"
exit $bad
