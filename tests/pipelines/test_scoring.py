from types import SimpleNamespace

import pytest
import torch
from omegaconf import OmegaConf

from tests.index.galleries import embeddings_of
from xmr.evaluation.protocol import Protocol
from xmr.pipelines.scoring import index_of


@pytest.mark.parametrize("similarity", ["cosine", "l2"])
def test_pictures_are_ranked_as_the_protocol_measures(similarity):
    """The nearest by distance and by product differ where lengths do."""
    config = OmegaConf.create({"index": {"_target_": "xmr.index.exact.Exact", "metric": "ip"}})
    index = index_of(config, SimpleNamespace(protocol=Protocol(similarity=similarity)))
    vectors = torch.tensor([[1.0, 0.0], [9.0, 0.0]])
    index.add(embeddings_of(vectors))
    found = index.search(embeddings_of(torch.tensor([[1.5, 0.0]])), k=1)
    assert found.gallery_ids[0, 0] == embeddings_of(vectors).ids[0 if similarity == "l2" else 1]
