#!/bin/sh
# test_commands.sh - every command that the documents show, run.
#
# A block that begins with ```sh in README.md, README.zh-CN.md or docs/*.md is a script of `bert4c` commands: it must end with exit status 0 in
# a folder that has the files it names. A ```text block right behind it is its output: what is printed here must have as many lines, of as many
# tab-separated fields. A small model of random weights stands in for the default one, so numbers differ; real output is looked at by
# tests/real. Indented blocks (set-up, make, cc) are not run. No network is touched.
set -u
root=$(pwd)
bert4c=$root/${BERT4C:-${BUILD:-build}/bert4c}
case ${BERT4C:-} in /*) bert4c=$BERT4C ;; esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The stand-in, under the default's name, in a cache of the test's own.
name=$(sed -n 's/^#define CLI_DEFAULT_ENCODER "\(.*\)"/\1/p' cli/default_model.h)
[ -n "$name" ] || { echo "not ok 1 - the default model's name is in cli/default_model.h"; exit 1; }
model=$work/cache/models/$name
mkdir -p "$model/1_Pooling" "$work/bin" "$work/in"
cp tests/golden/models/bert/config.json tests/golden/models/bert/model.safetensors "$model"
cp tests/golden/formats/tf1-bert/vocab.txt "$model"
printf '%s\n' '{"word_embedding_dimension": 40, "pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false,' \
    '"pooling_mode_max_tokens": false, "pooling_mode_mean_sqrt_len_tokens": false}' > "$model/1_Pooling/config.json"
printf '%s\n' '[{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},' \
    '{"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]' > "$model/modules.json"
ln -s "$bert4c" "$work/bin/bert4c"

export PATH="$work/bin:$PATH" BERT4C_CACHE="$work/cache" HF_HUB_OFFLINE=1 HOME="$work"
unset HF_HOME HF_HUB_CACHE XDG_CACHE_HOME
tab=$(printf '\t')
printf '%s\n' "我喜欢北京${tab}我很喜欢北京" "天气不错${tab}天气很好" "我${tab}你" > "$work/in/pairs.tsv"
printf '%s\n' "我喜欢北京${tab}我很喜欢北京${tab}1" "天气不错${tab}天气很好${tab}1" "我${tab}你${tab}0" > "$work/in/labelled.tsv"
printf '%s\n' 今天天气不错 "" 我喜欢北京 > "$work/in/sentences.txt"

count=0 failed=0
tell() {   # tell STATUS NAME [FILE]
    count=$((count + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $count - $2"
    else
        echo "not ok $count - $2"
        failed=1
        [ $# -gt 2 ] && sed 's/^/# /' "$3"
    fi
}

# Fields of every line, to compare the shape of outputs; columns of aligned tables count as one.
shape() { awk -F '\t' '{ print NF }' "$1"; }

for doc in README.md README.zh-CN.md docs/*.md; do
    rm -rf "$work/blocks"
    mkdir "$work/blocks"
    # N.sh, and N.out where an output follows at once
    awk -v out="$work/blocks" '
        /^```/ {
            if (inside) { close(file); inside = 0; next }
            kind = substr($0, 4)
            if (kind == "sh") { n++; file = sprintf("%s/%03d.sh", out, n); printf "# line %d\n", FNR > file; inside = 1; shown = 1; next }
            if (kind == "text" && shown) { file = sprintf("%s/%03d.out", out, n); printf "" > file; inside = 1; shown = 0; next }
            file = "/dev/null"; inside = 1; shown = 0; next
        }
        inside { print > file; next }
        { shown = 0 }' "$doc"
    for block in "$work/blocks"/*.sh; do
        [ -e "$block" ] || continue
        place="$doc, $(sed -n '1s/^# //p' "$block"): $(sed -n 2p "$block")"
        rm -rf "$work/run"
        cp -r "$work/in" "$work/run"
        (cd "$work/run" && sh -eu "$block" > "$work/stdout" 2> "$work/stderr" < /dev/null)
        rc=$?
        tell $rc "$place" "$work/stderr"
        wanted=${block%.sh}.out
        [ -e "$wanted" ] && [ $rc -eq 0 ] || continue
        case $place in *tokenize*) continue ;; esac     # as many lines as the vocabulary makes tokens
        shape "$wanted" > "$work/a"
        shape "$work/stdout" > "$work/b"
        cmp -s "$work/a" "$work/b"
        tell $? "$place: output has the shape shown" "$work/stdout"
    done
done
[ $count -gt 0 ] || { echo "not ok 1 - the documents show no command"; exit 1; }
echo "1..$count"
exit $failed
