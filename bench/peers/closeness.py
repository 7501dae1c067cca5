"""How near vectors of several engines are to a reference's: files of job.py or of `bert4c embed --to npy`, the same texts in the same order.

    python bench/peers/closeness.py REFERENCE.npy VECTORS.npy ...

For each file: mean and lowest cosine to the reference's row, mean of 1 - cosine, the largest difference of a component.
"""
import sys

import numpy as np


def unit(path):
    x = np.load(path).astype(np.float64)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    reference = unit(sys.argv[1])
    for path in sys.argv[2:]:
        x = unit(path)
        if x.shape != reference.shape:
            sys.exit(f"{path}: {x.shape[0]} vectors of {x.shape[1]}, the reference has {reference.shape[0]} of {reference.shape[1]}")
        cosine = (x * reference).sum(axis=1)
        print(f"{path}: cosine mean {cosine.mean():.6f}, lowest {cosine.min():.6f}, 1 - cosine {1 - cosine.mean():.2e}, "
              f"largest difference {np.abs(x - reference).max():.2e}")


if __name__ == "__main__":
    main()
