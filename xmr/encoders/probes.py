"""Fixed inputs that show what an encoder computes, and golden features to compare with."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from xmr.core.files import write_json
from xmr.core.types import Modality
from xmr.encoders.fingerprint import class_name, weights_fingerprint

GOLDEN_DIR = Path(__file__).parent / "golden"
SHOWN_DIMS = 16
# of a feature's root mean square: above Pillow's and TF32's rounding, far below a swapped colour channel
TOLERANCE = 0.02

SENTENCES = (
    "A brown dog runs across the grass.",
    "Two children play football on the beach at sunset!",
    "The red car is parked beside an old stone church.",
    "dog",
)


def probe_inputs(modality: Modality) -> list[Any]:
    """Four pictures or four sentences, the same on every machine."""
    return probe_pictures() if modality == Modality.IMAGE else list(SENTENCES)


def probe_pictures() -> list[Image.Image]:
    """Four RGB pictures of several shapes, made by integer arithmetic: a sun, tiles, waves, a landscape."""
    sun_y, sun_x = np.mgrid[:300, :400]
    sun = np.stack([sun_x * 255 // 399, sun_y * 255 // 299, np.full_like(sun_x, 90)], axis=-1)
    sun[(sun_x - 150) ** 2 + (sun_y - 120) ** 2 < 80**2] = (250, 210, 20)

    y, x = np.mgrid[:256, :256]
    tiles = np.where(((x // 32 + y // 32) % 2)[..., None], (200, 30, 40), (20, 60, 180))

    y, x = np.mgrid[:500, :320]
    waves = abs(np.stack([x * y // 160, (x * x + y * y) // 300, abs(x - y)], axis=-1) % 510 - 255)

    y, x = np.mgrid[:240, :480]
    land = np.where((y < 140)[..., None], (110, 170, 240), (40, 130, 50))
    land[(x > 300) & (x < 380) & (y > 90) & (y < 190)] = (170, 80, 60)
    return [Image.fromarray(picture.astype(np.uint8)) for picture in (sun, tiles, waves, land)]


def embed(encoder: Any, raw: Sequence[Any]) -> Tensor:
    """Raw inputs -> features (B, dim) on the CPU, in evaluation mode, without gradients."""
    tensors = [*encoder.parameters(), *encoder.buffers()]
    device = tensors[0].device if tensors else torch.device("cpu")
    inputs = encoder.prepare(raw)
    moved = (
        inputs.to(device)
        if isinstance(inputs, Tensor)
        else {name: tensor.to(device) for name, tensor in inputs.items()}
    )
    training = encoder.training
    encoder.eval()
    try:
        with torch.inference_mode():
            return encoder(moved).float().cpu()
    finally:
        encoder.train(training)


def write_golden(target: Path, encoder: Any, features: Tensor) -> None:
    """Write the probes' `features` (4, dim) as the golden file of encoders of this class and weights."""
    write_json(
        target,
        {
            "encoder": class_name(encoder),
            "weights": weights_fingerprint(encoder),
            "preprocessing": encoder.preprocessing,
            "dim": features.shape[1],
            "first": [[round(value, 6) for value in row[:SHOWN_DIMS].tolist()] for row in features],
            "norm": [round(value, 5) for value in features.norm(dim=1).tolist()],
        },
    )


def find_golden(encoder: Any, golden_dir: Path = GOLDEN_DIR) -> tuple[str, dict[str, Any]] | None:
    """The name and content of the golden file for the encoder's class, weights and width, if there is one."""
    key = class_name(encoder), weights_fingerprint(encoder), encoder.dim
    for path in sorted(golden_dir.glob("*.json")):
        golden = json.loads(path.read_text(encoding="utf-8"))
        if (golden["encoder"], golden["weights"], golden["dim"]) == key:
            return path.stem, golden
    return None


def golden_error(golden: dict[str, Any], features: Tensor) -> float:
    """How far features (4, dim) are from a golden file's, in units of its root mean square; 0 is equal."""
    norm, first = torch.tensor(golden["norm"]), torch.tensor(golden["first"])
    unit = norm / golden["dim"] ** 0.5
    first_error = (features[:, :SHOWN_DIMS] - first).abs().amax(1) / unit
    norm_error = (features.norm(dim=1) - norm).abs() / norm
    return float(torch.maximum(first_error, norm_error).max())
