"""Iterative quantisation: the rotation of principal components whose signs keep the most of the vectors."""

import numpy as np

from xmr.core.errors import ConfigError, DataError, check_whole


def learn_itq(
    vectors: np.ndarray, *, bits: int, iterations: int = 50, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Vectors (N, D) -> their mean (D,) and a projection (D, bits); codes are `(x - mean) @ projection > 0`.

    Gong and Lazebnik, Iterative Quantization, CVPR 2011, section 2: the `bits` largest principal
    components are rotated by R, from a random rotation on; in turn B = sign(VR), and R is the solution
    of the orthogonal Procrustes problem min |B - VR| (equation 2). Float32.

    Raises `ConfigError` for more bits than dimensions, `DataError` for fewer vectors than bits.
    """
    check_whole(1, bits=bits, iterations=iterations)
    size, dim = vectors.shape
    if bits > dim:
        raise ConfigError(f"bits={bits} > dimension {dim}; use bits <= {dim}")
    if size < bits:
        raise DataError(
            f"ITQ learns {bits} components from {size} vectors; use at least {bits}, or bits <= {size}"
        )
    mean = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = vectors - mean
    _, components = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    principal = components[:, ::-1][:, :bits].astype(np.float32)
    projected = centred @ principal
    rotation = np.linalg.qr(np.random.default_rng(seed).standard_normal((bits, bits)))[0].astype(np.float32)
    for _ in range(iterations):
        signs = np.where(projected @ rotation > 0, np.float32(1), np.float32(-1))
        left, _, right = np.linalg.svd(projected.T @ signs)
        rotation = left @ right
    return mean, principal @ rotation
