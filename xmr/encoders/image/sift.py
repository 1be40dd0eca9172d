"""Pictures to SIFT descriptors, with OpenCV."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from xmr.core.errors import MissingFilesError, check_whole

DESCRIPTOR = 128
# pixels; SIFT finds nothing in smaller pictures
SMALLEST = 16


class SiftDescriptors:
    """B RGB pictures -> {"descriptors": (B, K, 128) uint8, "mask": (B, K)}, zeros and False at padding.

    K is that of the picture with most keypoints, at most `keypoints`. Pictures whose longer side is above
    `size` are reduced to it, and turned to grey. Raises `MissingFilesError` without OpenCV.
    """

    def __init__(self, *, keypoints: int, size: int) -> None:
        check_whole(1, keypoints=keypoints)
        check_whole(SMALLEST, size=size)
        if find_spec("cv2") is None:
            raise MissingFilesError(
                "OpenCV is not installed; run: pip install 'xmr[fusion]' (or opencv-python-headless)"
            )
        self.keypoints = keypoints
        self.size = size

    def __call__(self, images: Sequence[Image.Image]) -> dict[str, Tensor]:
        """B RGB pictures -> their descriptors and the mask of real ones."""
        found = [self.descriptors(image) for image in images]
        longest = max(map(len, found), default=0)
        descriptors = torch.zeros(len(found), longest, DESCRIPTOR, dtype=torch.uint8)
        mask = torch.zeros(len(found), longest, dtype=torch.bool)
        for row, own in enumerate(found):
            descriptors[row, : len(own)] = torch.from_numpy(own)
            mask[row, : len(own)] = True
        return {"descriptors": descriptors, "mask": mask}

    def descriptors(self, image: Image.Image) -> np.ndarray:
        """An RGB picture -> descriptors (K, 128), uint8, of its strongest keypoints; (0, 128) without any."""
        import cv2

        grey = image.convert("L")
        if max(grey.size) > self.size:
            grey.thumbnail((self.size, self.size), Image.Resampling.BICUBIC)
        _, found = cv2.SIFT.create(nfeatures=self.keypoints).detectAndCompute(np.asarray(grey), None)
        if found is None:
            return np.empty((0, DESCRIPTOR), np.uint8)
        # OpenCV's floats hold whole numbers of 0..255; ties at the limit may leave one too many
        return found[: self.keypoints].astype(np.uint8)

    def describe(self) -> dict[str, Any]:
        """All that the descriptors depend on, OpenCV's version included."""
        import cv2

        return {"keypoints": self.keypoints, "size": self.size, "backend": f"opencv {cv2.__version__}"}
