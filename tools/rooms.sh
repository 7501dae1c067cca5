#!/bin/sh
# rooms.sh - who may include whom. The table is the design: text flows down, and nothing includes a
# file of a room below its own line. Run from the repository's root; prints each offence, exits 1.
set -u

# room: rooms whose headers it may include. bert4c.h may be included anywhere.
table='
base:   base
text:   text base
math:   math base
tape:   tape math base
model:  model tape math text base
decode: decode model tape math text base
mcmc:   mcmc model tape math text base
embed:  embed model tape math text base
train:  train model tape math text base
study:  study model tape math text base
api:    api study train embed mcmc decode model tape math text base
'

files=$(find src cli server examples bench bindings -name '*.[ch]' 2>/dev/null | sort)
[ -n "$files" ] || { echo "rooms: no source found; run from the repository's root" >&2; exit 1; }

grep -Hno '^[[:space:]]*#[[:space:]]*include[[:space:]]*"[^"]*"' $files | awk -v table="$table" '
    BEGIN {
        lines = split(table, line, "\n")
        for (i = 1; i <= lines; i++) {
            n = split(line[i], word, /[: ]+/)
            for (k = 2; k <= n; k++) may[word[1], word[k]] = 1
            if (n) room[word[1]] = 1
        }
    }
    function offence(why) { print place ": includes \"" header "\": " why; bad = 1 }
    {
        split($0, field, ":")
        place = field[1] ":" field[2]
        header = $0
        sub(/^[^"]*"/, "", header)
        sub(/".*/, "", header)
        parts = split(field[1], path, "/")
        split(header, target, "/")
        if (header == "bert4c.h") next
        if (field[1] == "bench/bench_kernels.c") next   # measures what no public call does alone
        if (path[1] != "src") {
            # outside the library: only what stands in the same folder
            if (index(header, "/")) offence("outside src/, only bert4c.h and headers beside the file")
        } else if (!(path[2] in room)) {
            offence("room " path[2] " has no line in tools/rooms.sh")
        } else if (!index(header, "/")) {
            offence("inside src/, name the room: \"" path[2] "/" header "\"")
        } else if (!((path[2], target[1]) in may)) {
            offence("room " path[2] " must not know room " target[1])
        }
    }
    END { exit bad }' || exit 1
echo "rooms: $(echo "$files" | wc -l) files include only what their room may"
