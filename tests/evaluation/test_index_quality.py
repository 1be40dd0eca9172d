import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from xmr.core.types import Embeddings, Modality
from xmr.evaluation.index_quality import index_quality
from xmr.index.binary import BinaryIndex
from xmr.index.exact import Exact


@pytest.fixture
def sides():
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(150, 16, generator=generator)
    text = image.repeat_interleave(2, 0) + torch.randn(300, 16, generator=generator)
    items = np.array([f"x{n}" for n in range(150)])
    both = (
        Embeddings(normalize(image, dim=1), np.char.add("i", items), items, Modality.IMAGE),
        Embeddings(
            normalize(text, dim=1),
            np.array([f"t{n}" for n in range(300)]),
            np.repeat(items, 2),
            Modality.TEXT,
        ),
    )
    return {"image_to_text": both, "text_to_image": both[::-1]}


def test_an_exact_index_finds_all_there_is(sides):
    image, text = sides["image_to_text"]
    found = index_quality(Exact(), sides, k=10)
    assert found["image_to_text/index_overlap@10"] == found["text_to_image/index_overlap@10"] == 1
    top = (text.vectors.double() @ image.vectors.double().T).topk(10).indices.numpy()
    hits = (image.item_ids[top] == text.item_ids[:, None]).any(axis=1).mean()
    assert found["text_to_image/index_recall@10"] == pytest.approx(hits)


def test_bits_alone_miss_some_and_say_so(sides):
    image, text = sides["image_to_text"]
    found = index_quality(BinaryIndex(rescore=0), sides, k=10)
    bits = (image.vectors > 0).numpy(), (text.vectors > 0).numpy()
    distance = (bits[1][:, None] != bits[0]).sum(axis=2)
    exact = (text.vectors.double() @ image.vectors.double().T).topk(10).indices.numpy()
    near = np.argsort(distance, axis=1, kind="stable")[:, :10]
    overlap = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(near, exact, strict=True)])
    assert 0.1 < overlap < 0.9
    assert found["text_to_image/index_overlap@10"] == pytest.approx(overlap)


def test_a_gallery_smaller_than_k_is_searched_whole(sides):
    few = {name: tuple(one.take(np.arange(6)) for one in pair) for name, pair in sides.items()}
    assert index_quality(Exact(), few, k=50)["text_to_image/index_overlap@50"] == 1
