"""Samplers for images of a class and for composed queries: what meets what in each epoch."""

import logging

import numpy as np

from xmr.core.errors import ConfigError, DataError, check_whole
from xmr.data.composed import ComposedSplit
from xmr.data.dataset import Split

log = logging.getLogger(__name__)


class SameLabelPairs:
    """Each image once an epoch, with another image of its class drawn at random.

    With `images_per_class` K > 0 the images of a class come K in a row, so that a batch of P * K holds P
    classes with K images each, one class perhaps more than once (Hermans et al., "In Defense of the Triplet
    Loss", 2017, who draw P classes anew for each batch; here each image comes once an epoch); the last run of
    a class is shorter. 0 leaves the order to chance. The image of a class of one is paired with itself, which
    teaches nothing: a warning counts them, once. Raises `ConfigError` for a K of 1 or below 0.
    """

    def __init__(self, *, images_per_class: int = 0) -> None:
        check_whole(0, images_per_class=images_per_class)
        if images_per_class == 1:
            raise ConfigError(
                "images_per_class=1 puts no two images of a class together; use 0, or 2 and more"
            )
        self.images_per_class = images_per_class
        self._warned = False

    def pairs(self, split: Split, rng: np.random.Generator) -> np.ndarray:
        """(2, I): positions of an image and of another one with its item id, in training order.

        Raises `DataError` when no two images share an item id.
        """
        classes = split.image_item_index
        count = len(classes)
        order = rng.permutation(count)
        order = order[np.argsort(classes[order], kind="stable")]  # class by class, shuffled within each
        sizes = np.bincount(classes)
        begin = np.repeat(np.cumsum(sizes) - sizes, sizes)
        size = np.repeat(sizes, sizes)
        place = np.arange(count) - begin
        # a step of 1 to size - 1 around the class never ends where it began
        step = 1 + (rng.random(count) * (size - 1)).astype(np.int64)
        partner = order[begin + (place + step) % size]
        self._check_single_images(int((sizes == 1).sum()), len(sizes))
        return np.stack([order, partner])[:, self._arrange(place, rng)]

    def _arrange(self, place: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The training order (I,) of pairs that stand class by class, given their places (I,) in these."""
        if not self.images_per_class:
            return rng.permutation(len(place))
        run = np.cumsum(place % self.images_per_class == 0) - 1  # a new run at the start of each class
        return np.argsort(rng.permutation(run[-1] + 1)[run], kind="stable")

    def _check_single_images(self, single: int, classes: int) -> None:
        if single == classes:
            raise DataError(
                f"no class of the {classes} of this split has two images; "
                "use a data set whose relevance is label, as data=scenes"
            )
        if single and not self._warned:
            log.warning("%d of %d classes have one image, which is paired with itself", single, classes)
            self._warned = True


class EveryQuery:
    """Each composed query once an epoch, with its target image."""

    def pairs(self, split: ComposedSplit, rng: np.random.Generator) -> np.ndarray:
        """(2, Q): the gallery row of the target and the row of the query, in training order."""
        queries = rng.permutation(len(split.query_ids))
        return np.stack([split.target_rows[queries], queries])
