"""The protocols of the literature, ready to use: `READY["coco_1k_5fold"]`."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Literal

from xmr.core.errors import ConfigError, did_you_mean
from xmr.evaluation.protocol import Protocol

Task = Literal["image_text", "class_names", "image_image", "composed"]
"""Which queries find what: images and texts each other, class names images, images those of their class, or
an image with a text its target."""

CLIP_PROMPT = "a photo of a {}."

_OF_TASK: Mapping[Task, tuple[Protocol, ...]] = {
    "image_text": (
        Protocol(),
        # Karpathy's split, of VSE++ and nearly all work since
        Protocol(name="flickr30k_1k", data="flickr30k", split="test", images=1000),
        # the split of Flickr30k Entities (29,783 for training) of the dual-path CNN (Zheng et al. 2020)
        Protocol(name="flickr30k_1k_entities", data="flickr30k", split="test", images=1000),
        # COCO 1K: the mean over 5 consecutive folds of 1,000 of the 5,000 test images
        Protocol(name="coco_1k_5fold", data="coco_captions", split="test", images=5000, folds=5),
        Protocol(name="coco_5k", data="coco_captions", split="test", images=5000),
    ),
    "class_names": (
        # a class name as query, images of the class relevant
        Protocol(name="class_precision_at_100", relevance="label", prompts=(CLIP_PROMPT,), ks=(1, 10, 100)),
    ),
    "image_image": (
        # MIT scenes: held-out images find train images of their class, by exact Euclidean distance
        Protocol(name="scenes", gallery="train", relevance="label", similarity="l2"),
    ),
    "composed": (
        # image + text finds the target; the reference image is not in the ranking
        Protocol(name="composed", gallery="images", exclude="reference", ks=(1, 5, 10, 50, 100)),
        Protocol(
            name="cirr",
            data="cirr",
            gallery="images",
            exclude="reference",
            subset=True,
            ks=(1, 2, 3, 5, 10, 50),
        ),
        # the reference stays in the gallery, as in the challenge's code; means over the categories
        Protocol(name="fashioniq", data="fashion_iq", gallery="images", groups=True, ks=(10, 50)),
    ),
}

READY = MappingProxyType({protocol.name: protocol for of in _OF_TASK.values() for protocol in of})


def protocols_for(task: Task) -> tuple[str, ...]:
    """The names of the ready protocols by which a model of that task is evaluated."""
    return tuple(protocol.name for protocol in _OF_TASK[task])


def ready_protocol(name: str, **changes: Any) -> Protocol:
    """The ready protocol of that name with some fields changed.

    Raises `ConfigError` for an unknown name, telling those of each task.
    """
    if name not in READY:
        known = "; ".join(f"{', '.join(protocols_for(task))} ({task})" for task in _OF_TASK)
        raise ConfigError(f"protocol '{name}' is none of {known}; {did_you_mean(name, READY)}")
    return replace(READY[name], **changes)
