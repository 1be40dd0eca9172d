"""The panels of an evaluation show what its protocol ranks."""

import numpy as np
import torch
from torch.nn.functional import normalize

from xmr.core.types import Embeddings, Modality
from xmr.data.composed import composed_split
from xmr.data.shapes import load_shapes
from xmr.evaluation.plans import composed_plan
from xmr.evaluation.protocols import READY
from xmr.index.exact import Exact
from xmr.pipelines.panels import PanelWriter
from xmr.pipelines.tasks import ComposedQueries
from xmr.training.evaluation import Evaluation


def test_a_composed_query_is_not_shown_its_reference(tmp_path):
    """Neither where the model finds it first, nor where it does not find it at all."""
    dataset = load_shapes(size=60)
    split = composed_split(dataset, "val")
    torch.manual_seed(0)
    gallery = Embeddings(
        normalize(torch.randn(len(split.gallery_ids), 8), dim=1),
        split.gallery_ids,
        split.gallery_item_ids,
        Modality.IMAGE,
    )
    half = len(split.query_ids) // 2
    towards = torch.from_numpy(np.where(np.arange(len(split.query_ids)) < half, 1.0, -1.0)).float()[:, None]
    vectors = towards * gallery.vectors[torch.from_numpy(split.reference_rows)]
    queries = Embeddings(vectors, split.query_ids, split.query_item_ids, Modality.COMPOSED)
    plan = composed_plan(split, READY["composed"])
    sides = plan.sides([queries, gallery])
    evaluation = Evaluation(sides, plan.rank([queries, gallery], False), {}, 0, 0)
    task = ComposedQueries(dataset)
    writer = PanelWriter(task, "val", Exact(), tmp_path, queries=len(split.query_ids), k=5)
    shown = writer.ranked(evaluation, "composed_to_image", "random")
    assert len(shown) == len(split.query_ids)
    references = task.references("val")
    scores = queries.vectors @ gallery.vectors.T
    scores[torch.arange(len(scores)), torch.from_numpy(split.reference_rows)] = -2
    best = dict(zip(split.query_ids.tolist(), scores.topk(5).indices.tolist(), strict=True))
    for query in shown:
        found = [result.gallery_id for result in query.results]
        assert references[query.query_id] not in found
        assert found == split.gallery_ids[best[query.query_id]].tolist()
    assert writer.write(evaluation)["composed_to_image-random"].is_file()
