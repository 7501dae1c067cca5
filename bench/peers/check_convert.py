"""Do folders that `bert4c convert` wrote open in transformers, and give the same logits as the source there?

    python bench/peers/check_convert.py [--bert4c build/bert4c] SOURCE [SOURCE ...]

SOURCE: a folder in the hub's layout that transformers opens, or SOURCE=REFERENCE, where SOURCE is in another layout and
REFERENCE a hub folder with the same weights. For each, f32 must give the same logits (or hidden states) to 1e-5 of the
largest, bf16 to a cosine of 0.99: small random models, as tests/golden has them, feel the rounding of their weights far
more than trained ones (bge-small-zh-v1.5: 0.99998). With transformers 5.24.0, torch 2.15.0.
"""

import argparse
import os
import subprocess
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForMaskedLM, AutoModelForSeq2SeqLM


def open_model(folder):
    config = AutoConfig.from_pretrained(folder)
    name = (config.architectures or ["Model"])[0]
    kind = (
        AutoModelForMaskedLM if "MaskedLM" in name or "PreTraining" in name
        else AutoModelForCausalLM if "CausalLM" in name or "LMHead" in name
        else AutoModelForSeq2SeqLM if "ConditionalGeneration" in name
        else AutoModel
    )
    model, report = kind.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    missing = [key for key in report["missing_keys"] if "pooler" not in key and "embed_positions" not in key]
    return model.eval(), missing


def run(model):
    size = min(model.config.vocab_size, 100)
    ids = torch.tensor([[(7 * i) % (size - 4) + 4 for i in range(12)]])
    extra = {"decoder_input_ids": ids[:, :5]} if model.config.is_encoder_decoder else {}
    with torch.no_grad():
        out = model(input_ids=ids, attention_mask=torch.ones_like(ids), **extra)
    return getattr(out, "logits", None) if getattr(out, "logits", None) is not None else out.last_hidden_state


def verdict(good, line, missing):
    """Prints a line about a model; 1 where something is wrong."""
    good = good and not missing
    print(f"{'ok ' if good else 'BAD'} {line}" + (f", missing {missing[:3]}" if missing else ""))
    return int(not good)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bert4c", default="build/bert4c")
    parser.add_argument("source", nargs="+")
    args = parser.parse_args()
    bad = 0
    for source in args.source:
        source, _, reference = source.partition("=")
        model, _ = open_model(reference or source)
        wanted = run(model).double().flatten()
        for dtype in ("f32", "bf16"):
            with tempfile.TemporaryDirectory() as folder:
                to = os.path.join(folder, "model")
                subprocess.run([args.bert4c, "convert", "-q", "-m", source, "-o", to, "--dtype", dtype], check=True,
                               stdout=subprocess.DEVNULL)
                model, missing = open_model(to)
                found = run(model).double().flatten()
            off = float((found - wanted).abs().max() / wanted.abs().max())
            cosine = float(torch.nn.functional.cosine_similarity(found, wanted, dim=0))
            bad += verdict(off <= 1e-5 if dtype == "f32" else cosine >= 0.99,
                           f"{dtype:4} {source}: largest difference {off:.2g}, cosine {cosine:.7f}", missing)
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
