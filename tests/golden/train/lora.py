"""Writes tests/golden/train/lora.safetensors: PEFT's LoRA on the masked LM of tests/golden/train/mlm
and its batch: loss, gradients of the factors, the losses of five steps of AdamW.

    python3 lora.py        (torch, transformers, peft)
"""
import os
import numpy as np
import peft
import torch
import transformers
from pack import HERE, learn, padded, read, write

torch.manual_seed(5)
torch.set_num_threads(1)
folder, io = os.path.join(HERE, "mlm"), read(os.path.join(HERE, "mlm.safetensors"))
model = transformers.BertForMaskedLM.from_pretrained(folder, attn_implementation="eager").float()
model = peft.get_peft_model(model, peft.LoraConfig(r=4, lora_alpha=8, lora_dropout=0,
                                                   target_modules=["query", "value"]))
model.eval()
factors = {}
for name, p in model.named_parameters():
    if not p.requires_grad:
        continue
    short = name.replace("base_model.model.", "").replace(".lora_A.default.weight", ".weight.lora_A")
    factors[short.replace(".lora_B.default.weight", ".weight.lora_B")] = p
    with torch.no_grad():                      # B too: at 0 it would hide A's gradient
        p.copy_(torch.randn_like(p) * 0.1)

ids, mask, labels = padded(io, "ids"), padded(io, None), padded(io, "targets", -100)
labels[labels < 0] = -100
segments = padded(io, "segments") if "segments" in io else np.zeros_like(ids)


def loss():
    return model(input_ids=torch.tensor(ids), attention_mask=torch.tensor(mask),
                 token_type_ids=torch.tensor(segments), labels=torch.tensor(labels)).loss


out = {name: p.detach().numpy().copy() for name, p in factors.items()}
optimiser = torch.optim.AdamW(factors.values(), lr=1e-3)
history = learn(optimiser, loss, lambda: out.update(
    {"grad." + name: p.grad.numpy().copy() for name, p in factors.items()}))
out.update({"after." + name: p.detach().numpy().copy() for name, p in factors.items()})
out["loss_history"] = np.array(history, np.float32)
write(os.path.join(HERE, "lora.safetensors"), out)
print(peft.__version__, torch.__version__, transformers.__version__, history)
