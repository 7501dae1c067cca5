#!/bin/sh
# test.sh PROGRAM|SCRIPT.sh ... - run the tests and count them.
#
# A program speaks TAP, as cmocka does when asked ("1..2", "ok 1 - name", "not ok 2 - name", "ok 3 # SKIP name"). A
# script may too; one that prints no such line is one test: exit 0 passed, 77 skipped, other failed. What a program
# printed is shown when something in it failed. A program that ends badly, or ran fewer tests than it planned, or
# none, counts as a failure. The last line sums up: "N passed, N failed, N skipped".
#
# Environment: BUILD (where logs go, and the command that scripts test), RUN (e.g. qemu-aarch64), TEST_TIME (seconds a
# program may take).
set -u
BUILD=${BUILD:-build}
RUN=${RUN:-}
logs=$BUILD/tests/logs
mkdir -p "$logs"
rm -f "$logs"/*.log

passed=0 failed=0 skipped=0
bad=
export BUILD
export BERT4C="${BERT4C:-$BUILD/bert4c}"
export CMOCKA_MESSAGE_OUTPUT=TAP
export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=1:detect_stack_use_after_return=1}"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-print_stacktrace=1}"
export TSAN_OPTIONS="${TSAN_OPTIONS:-halt_on_error=0}"

for test in "$@"; do
    name=${test#"$BUILD"/}
    name=${name#tests/}
    log=$logs/$(echo "$name" | tr / -).log
    start=$(date +%s)
    case $test in
    *.sh) timeout "${TEST_TIME:-900}" sh "$test" > "$log" 2>&1 < /dev/null ;;
    *)    timeout "${TEST_TIME:-900}" $RUN "$test" > "$log" 2>&1 < /dev/null ;;
    esac
    rc=$?
    seconds=$(($(date +%s) - start))

    # planned passed failed skipped
    set_counts=$(awk '
        /^1\.\.[0-9]+/ { planned += substr($1, 4) }
        /^(not )?ok / && /# SKIP/ { skip++; next }
        /^ok / { ok++ }
        /^not ok / { bad++ }
        END { printf "%d %d %d %d", planned, ok, bad, skip }' "$log")
    read -r plan ok no skip <<COUNTS
$set_counts
COUNTS
    note=
    if [ $((ok + no + skip)) -eq 0 ]; then
        case $test:$rc in
        *.sh:0)  ok=1 ;;
        *.sh:77) skip=1 ;;
        *)       no=1 note=" (ran no test, exit $rc)" ;;
        esac
    elif [ "$no" -eq 0 ] && [ "$rc" -ne 0 ]; then
        no=1 note=" (exit $rc)"
    elif [ "$plan" -gt $((ok + no + skip)) ]; then
        no=$((no + plan - ok - no - skip)) note=" (planned $plan)"
    fi
    [ "$rc" -eq 124 ] && note=" (stopped after ${TEST_TIME:-900} s)"

    passed=$((passed + ok)) failed=$((failed + no)) skipped=$((skipped + skip))
    line=$(printf '%-44s %4d passed' "$name" "$ok")
    [ "$no" -gt 0 ] && line="$line, $no failed$note"
    [ "$skip" -gt 0 ] && line="$line, $skip skipped"
    [ "$seconds" -gt 1 ] && line="$line  ($seconds s)"
    echo "$line"
    if [ "$no" -gt 0 ]; then
        bad="$bad $name"
        sed 's/^/    | /' "$log"
    fi
done

[ -n "$bad" ] && echo "failed:$bad"
if [ $((passed + failed)) -eq 0 ]; then
    echo "no test was run"
    failed=1
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
