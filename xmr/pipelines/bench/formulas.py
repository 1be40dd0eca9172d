"""Evaluations that need no library of their own: formulas in common use, re-stated."""

import numpy as np
import torch

from xmr.pipelines.bench.workload import KS, Figures, Workload


def torch_topk(work: Workload) -> Figures:
    """The whole similarity matrix once, and torch's topk over its rows and its columns."""
    scores = work.image @ work.text.T
    found = scores.topk(work.k, dim=1).indices.numpy()
    figures = hit_rates("image_to_text", work.text_item[found] == work.image_item[:, None])
    if work.both:
        found = scores.T.topk(work.k, dim=1).indices.numpy()
        figures |= hit_rates("text_to_image", work.image_item[found] == work.text_item[:, None])
    return figures


def argsort(work: Workload) -> Figures:
    """The whole similarity matrix once, sorted entirely along its rows and its columns by numpy."""
    scores = work.image.numpy() @ work.text.numpy().T
    figures: Figures = {}
    for direction, _, _, query_item, gallery_item in work.directions():
        rows = scores if direction == "image_to_text" else scores.T
        relevant = gallery_item[np.argsort(-rows, axis=1)] == query_item[:, None]
        first = relevant.argmax(axis=1)
        figures |= hit_rates(direction, relevant)
        figures[f"{direction}/reciprocal_rank"] = float(np.mean(1 / (first + 1)))
        figures[f"{direction}/median_rank"] = float(np.median(first + 1))
        figures[f"{direction}/mean_rank"] = float(np.mean(first + 1))
    return figures


def clip_benchmark(work: Workload) -> Figures:
    """The formula of CLIP_benchmark's zero-shot retrieval: a one-hot (batch, k, gallery) of each top k.

    Its batches are 64 queries, for each k anew, as its command line has it.
    """
    scores = work.text @ work.image.T
    positive = torch.from_numpy(work.text_item[:, None] == work.image_item)
    figures: Figures = {}
    for k in KS:
        for direction, rows, relevant in (
            ("text_to_image", scores, positive),
            ("image_to_text", scores.T, positive.T),
        ):
            found = []
            for begin in range(0, len(rows), 64):
                batch, truth = rows[begin : begin + 64], relevant[begin : begin + 64]
                top = torch.nn.functional.one_hot(batch.topk(k, dim=1).indices, batch.shape[1])
                found.append((top * truth[:, None]).sum(dim=(1, 2)) / truth.sum(dim=1))
            figures[f"{direction}/recall_at_{k}"] = float((torch.cat(found) > 0).float().mean())
    return figures


def vsepp(work: Workload) -> Figures:
    """The loop of VSE++: an argsort for each query, searched for the places of its relevant entries.

    Like VSE++'s it reads relevance off row numbers, so texts must come image by image, equally many each.
    """
    image, text = work.image.numpy(), work.text.numpy()
    each = len(text) // len(image)
    firsts = {"image_to_text": np.zeros(len(image)), "text_to_image": np.zeros(len(text))}
    for n, of_image in enumerate(image):
        ranking = np.argsort(of_image @ text.T)[::-1]
        places = [np.where(ranking == caption)[0][0] for caption in range(each * n, each * (n + 1))]
        firsts["image_to_text"][n] = min(places)
    for n in range(len(image)):
        captions = slice(each * n, each * (n + 1))
        for caption, scores in enumerate(text[captions] @ image.T, each * n):
            ranking = np.argsort(scores)[::-1]
            firsts["text_to_image"][caption] = np.where(ranking == n)[0][0]
    figures: Figures = {}
    for direction, first in firsts.items():
        figures |= {f"{direction}/recall_at_{k}": float(np.mean(first < k)) for k in KS}
        figures[f"{direction}/median_rank_floor"] = float(np.floor(np.median(first)) + 1)
        figures[f"{direction}/mean_rank"] = float(np.mean(first) + 1)
    return figures


def hit_rates(direction: str, relevant: np.ndarray) -> Figures:
    """The share of queries with a relevant entry in the first 1, 5 and 10 of their top k: (Q, k), boolean."""
    return {f"{direction}/recall_at_{k}": float(relevant[:, :k].any(axis=1).mean()) for k in KS}
