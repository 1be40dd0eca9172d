"""Names for an encoder's weights, and for all that it computes: the keys of cached features."""

import hashlib
import json
from typing import Any

import torch
from torch import Tensor, nn

from xmr.core.files import fingerprint


def encoder_fingerprint(encoder: Any) -> str:
    """16 hex digits that change with the class, the preprocessing or any weight of an `Encoder`."""
    return fingerprint(class_name(encoder), encoder.preprocessing, weights_fingerprint(encoder))


def weights_fingerprint(module: nn.Module) -> str:
    """16 hex digits of a module's state: names, types, shapes and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        if isinstance(value, Tensor):
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
            flat = value.detach().cpu().contiguous().reshape(-1)
            digest.update(flat.view(torch.uint8).numpy().data)
        else:
            digest.update(f"{name} {json.dumps(value, sort_keys=True)}\n".encode())
    return digest.hexdigest()[:16]


def class_name(encoder: Any) -> str:
    """The full path of the encoder's class, as in `_target_`."""
    return f"{type(encoder).__module__}.{type(encoder).__qualname__}"
