#!/bin/sh
# headers.sh - each header compiles by itself, as C; the public one as C++ too.
#
# A header for one instruction set (NAME_avx2.h) gets that set's flags from FLAGS_avx2 and so
# on. What is no header but a piece of code is left out: NAME_body.h, NAME_epilogue.h, and what has no
# include guard because it is included once a type.
set -u
CC=${CC:-cc}
CXX=${CXX:-c++}
WARN="-Wall -Wextra -Wpedantic -Werror"
machine=$($CC -dumpmachine)
bad=0 count=0 skipped=

compile() {    # LANGUAGE STANDARD FLAGS HEADER
    printf '#include "%s"\nextern int not_empty;\n' "$4" | $compiler -x "$1" -std="$2" $WARN $3 -fsyntax-only - || {
        echo "$4: does not compile by itself as $1"
        bad=1
    }
}

for header in $(find include src -name '*.h' | sort); do
    grep -q '^#ifndef B[A-Z0-9_]*_H$' "$header" || {
        skipped="$skipped ${header##*/}"
        continue
    }
    flags="${CPPFLAGS:-} -D_GNU_SOURCE -Iinclude -Isrc -I. -Wno-unused-function"
    case $machine:$header in
    *_body.h|*_epilogue.h) skipped="$skipped ${header##*/}"; continue ;;
    x86_64*_avx2.h)       flags="$flags ${FLAGS_avx2:-}" ;;
    x86_64*_avx512.h)     flags="$flags ${FLAGS_avx512:-}" ;;
    x86_64*_amx.h)        flags="$flags ${FLAGS_amx:-}" ;;
    aarch64*_neon.h)      flags="$flags ${FLAGS_neon:-}" ;;
    *_avx2.h|*_avx512.h|*_amx.h|*_neon.h) skipped="$skipped ${header##*/}"; continue ;;
    esac
    compiler=$CC
    compile c c11 "$flags" "$header"
    count=$((count + 1))
done
if command -v "$CXX" > /dev/null; then
    compiler=$CXX
    compile c++ c++11 "-Iinclude -I." include/bert4c.h
else
    skipped="$skipped bert4c.h-as-C++(no compiler)"
fi
[ $bad -eq 0 ] && echo "headers: $count stand alone; not tried:$skipped"
exit $bad
