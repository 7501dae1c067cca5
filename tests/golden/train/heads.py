"""Writes classify, pairs and simcse.safetensors in tests/golden/train, on models and sentences of
tests/golden/train/mlm and cosent: loss, gradients of all weights, the losses of five steps of AdamW
and what they moved.

    classify: transformers' BertForSequenceClassification (pooler with tanh, a bias)
    pairs:    [u, v, |u - v|] W^T + b of linear poolers, cross entropy (Reimers and Gurevych 2019)
    simcse:   in-batch softmax of 20 x cosine, each row against its partner (SPEC 3.1 of SimCSE's
              Chinese version: 2n rows, oneself left out)

    python3 heads.py        (torch, transformers)
"""
import os
import numpy as np
import torch
import transformers
from torch.nn import functional as F
from pack import HERE, halves, learn, padded, read, write

torch.set_num_threads(1)
io = read(os.path.join(HERE, "cosent.safetensors"))
ids, mask = torch.tensor(padded(io, "ids")), torch.tensor(padded(io, None))


def train(case, named, loss, labels, new):
    """named: the weights that learn, by the names of the files; new: those the folder lacks."""
    out = {"ids": io["ids"], "lengths": io["lengths"], "labels": np.array(labels, np.float32)}
    out.update({name: named[name].detach().numpy().copy() for name in new})
    before = {name: p.detach().numpy().copy() for name, p in named.items()}
    groups = [{"params": [p for p in named.values() if p.ndim > 1], "weight_decay": 0.01},
              {"params": [p for p in named.values() if p.ndim == 1], "weight_decay": 0}]

    def keep_gradients():
        for name, p in named.items():
            halves(out, "grad." + name, p.grad.numpy())

    history = learn(torch.optim.AdamW(groups, lr=1e-3), loss, keep_gradients)
    for name, p in named.items():
        halves(out, "moved." + name, p.detach().numpy() - before[name])
    out["loss"], out["loss_history"] = np.array(history[:1], np.float32), np.array(history, np.float32)
    write(os.path.join(HERE, case + ".safetensors"), out)
    print(case, torch.__version__, transformers.__version__, history)


def classify():
    torch.manual_seed(7)
    labels = [0, 2, 1, 1, 0, 2]
    model = transformers.BertForSequenceClassification.from_pretrained(
        os.path.join(HERE, "mlm"), num_labels=3, attn_implementation="eager").float().eval()
    with torch.no_grad():
        for p in (model.bert.pooler.dense.weight, model.bert.pooler.dense.bias, model.classifier.weight,
                  model.classifier.bias):
            p.copy_(torch.randn_like(p) * 0.15)
    new = {"bert.pooler.dense.": "pool.", "classifier.": "classify."}
    named = {}
    for name, p in model.named_parameters():
        for old, short in new.items():
            name = name.replace(old, short)
        named[name] = p
    train("classify", named, lambda: model(input_ids=ids, attention_mask=mask,
                                           labels=torch.tensor(labels)).loss, labels,
          [n for n in named if n.startswith(("pool.", "classify."))])


def pooled():
    folder = os.path.join(HERE, "cosent")
    model = transformers.RoFormerModel.from_pretrained(folder, attn_implementation="eager").float().eval()
    weights = read(os.path.join(folder, "model.safetensors"))
    w, b = (torch.nn.Parameter(torch.tensor(weights["pool." + k].copy()).float()) for k in ("weight", "bias"))
    named = {"roformer." + n: p for n, p in model.named_parameters() if p.requires_grad and "embed_positions" not in n}
    named.update({"pool.weight": w, "pool.bias": b})
    return named, lambda: F.linear(model(input_ids=ids, attention_mask=mask).last_hidden_state[:, 0], w, b)


def pairs():
    torch.manual_seed(8)
    labels = [2, 0, 1]
    named, vectors = pooled()
    w, b = torch.nn.Parameter(torch.randn(3, 120) * 0.15), torch.nn.Parameter(torch.randn(3) * 0.15)
    named.update({"classify.weight": w, "classify.bias": b})

    def loss():
        u, v = vectors()[0::2], vectors()[1::2]
        return F.cross_entropy(F.linear(torch.cat([u, v, (u - v).abs()], 1), w, b), torch.tensor(labels))

    train("pairs", named, loss, labels, ["classify.weight", "classify.bias"])


def simcse():
    named, vectors = pooled()

    def loss():
        x = F.normalize(vectors(), dim=1)
        s = 20 * x @ x.T - 1e12 * torch.eye(len(x))
        return F.cross_entropy(s, torch.arange(len(x)) ^ 1)

    train("simcse", named, loss, [0, 0, 0], [])


classify()
pairs()
simcse()
