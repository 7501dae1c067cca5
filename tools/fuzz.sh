#!/bin/sh
# fuzz.sh TARGET ... - run each fuzz target for FUZZ_TIME seconds, from the inputs in tests/fuzz/corpus/NAME.
# Inputs that reached new code are kept in $BUILD/corpus/NAME, those that failed in $BUILD/found/. FUZZ_TIME=0 runs
# the inputs of tests/fuzz/corpus as they are and no others: the same each time.
# The last line sums up: "N passed, N failed".
set -u
BUILD=${BUILD:-build}
seconds=${FUZZ_TIME:-60}
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=1:allocator_may_return_null=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1}"

passed=0 failed=0
for target in "$@"; do
    name=$(basename "$target")
    name=${name#fuzz_}
    mkdir -p "$BUILD/corpus/$name" "$BUILD/found"
    seeds=tests/fuzz/corpus/$name
    [ -d "$seeds" ] || seeds=
    log=$BUILD/found/$name.log
    if [ "$seconds" -eq 0 ]; then
        how="-runs=0"
    else
        how="-max_total_time=$seconds" seeds="$BUILD/corpus/$name $seeds"
    fi
    if "$target" $how -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$BUILD/found/$name-" $seeds > "$log" 2>&1; then
        passed=$((passed + 1))
        echo "$name: $(grep -E 'fuzz_driver:|^Done' "$log" | tail -1)"
    else
        failed=$((failed + 1))
        echo "$name: FAILED"
        tail -60 "$log" | sed 's/^/    | /'
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
