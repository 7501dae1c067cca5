#!/bin/sh
# style.sh - the rules that a machine can check: lines of at most 100 characters, files of at most 600
# lines, no // comments, no tabs, and a library that does not print, exit or read its environment.
# Run from the repository's root; prints each offence, exits 1. Arguments: files, instead of all.
set -u
[ $# -gt 0 ] || set -- $(find include src cli server tests tools examples bench bindings -name '*.[ch]' 2>/dev/null | sort)
[ $# -gt 0 ] || { echo "style: no source found; run from the repository's root" >&2; exit 1; }

# LC_ALL=C: bytes; a character is then every byte that does not continue one.
LC_ALL=C awk '
    function offence(why) { print FILENAME ":" FNR ": " why; bad = 1 }
    function finish() {
        if (name != "" && lines > 600 && name ~ /^(src|cli|server)\//) {
            print name ": " lines " lines; at most 600, so divide it"
            bad = 1
        }
    }
    FNR == 1 {
        finish()
        name = FILENAME
        inside = 0
        if ($0 !~ /^\/\*/) offence("a file begins with a comment that says what it is for")
    }
    {
        lines = FNR
        text = $0
        gsub(/[\200-\277]/, "", text)
        if (length(text) > 100) offence(length(text) " characters; at most 100")
        if ($0 ~ /\t/) offence("a tab")
        if ($0 ~ /[ \r]$/) offence("blank at the end of a line")

        # code: the line without its comments and without what stands in quotes
        code = ""
        rest = $0
        while (rest != "") {
            if (inside) {
                at = index(rest, "*/")
                if (!at) break
                rest = substr(rest, at + 2)
                inside = 0
                continue
            }
            if (!match(rest, /\/\*|\/\/|"|\047/)) { code = code rest; break }
            code = code substr(rest, 1, RSTART - 1)
            token = substr(rest, RSTART, RLENGTH)
            rest = substr(rest, RSTART + RLENGTH)
            if (token == "/*") { inside = 1; continue }
            if (token == "//") { offence("// comment"); break }
            quoted = token == "\"" ? "^([^\"\\\\]|\\\\.)*\"" : "^([^\047\\\\]|\\\\.)*\047"
            if (match(rest, quoted)) rest = substr(rest, RLENGTH + 1)
            else break
            code = code "\"\""
        }
        if (FILENAME !~ /^src\//) next
        if (code ~ /(^|[^A-Za-z0-9_])(printf|vprintf|puts|putchar|perror|exit|_exit|quick_exit|abort|system)[ ]*\(/)
            offence("the library does not print or exit")
        if (code ~ /(^|[^A-Za-z0-9_])(stdout|stderr|stdin)([^A-Za-z0-9_]|$)/)
            offence("the library does not touch the standard streams")
        if (code ~ /(^|[^A-Za-z0-9_])(rand|srand|strtok|setlocale|gmtime|localtime|asctime|ctime)[ ]*\(/)
            offence("not safe between threads")
        if (code ~ /getenv[ ]*\(/ && $0 !~ /getenv\("BERT4C_ISA"\)/)
            offence("the library reads no environment but BERT4C_ISA")
        if (code ~ /(^|[^A-Za-z0-9_])(strcat|gets|sprintf|alloca)[ ]*\(/)
            offence("no bound")
    }
    END { finish(); exit bad }' "$@" || exit 1
echo "style: $# files"
