#!/bin/sh
# docs.sh - write what is generated from the table of options: man/bert4c.1, and the part of docs/cli.md
# between its two marks. `make docs` runs it; a test holds both to it.
set -eu
cd "$(dirname "$0")/.."
bert4c=${BERT4C:-build/bert4c}

"$bert4c" help --man > man/bert4c.1.new
mv man/bert4c.1.new man/bert4c.1

{
    sed '/^<!-- generated: begin/q' docs/cli.md
    "$bert4c" help --markdown
    sed -n '/^<!-- generated: end/,$p' docs/cli.md
} > docs/cli.md.new
mv docs/cli.md.new docs/cli.md
