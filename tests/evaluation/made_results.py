"""Results of made-up models: queries with ranks drawn by chance, and lists that go with them."""

import numpy as np

from xmr.evaluation.results_file import QueryResults

WORDS = ("red", "blue", "cat", "dog", "on", "a", "mat", "tall", "tiny", "house")


def made_queries(
    *,
    items: int = 20,
    texts: int = 3,
    skill: float = 0.5,
    seed: int = 0,
    labels: bool = True,
    ks: tuple[int, ...] = (1, 5, 10),
) -> dict[str, QueryResults]:
    """Both directions of `items` pictures with `texts` captions each, as `skill` in [0, 1] finds them.

    The captions do not depend on the seed.
    """
    said = np.random.default_rng(7)
    captions = {
        f"i{n}#{t}": " ".join(said.choice(WORDS, size=1 + (n + t) % 6))
        for n in range(items)
        for t in range(texts)
    }
    images = [f"i{n}" for n in range(items)]
    label = {image: f"group{n % 2}/kind{n % 4}" if labels else "" for n, image in enumerate(images)}
    rng = np.random.default_rng(seed)
    text_ids = list(captions)
    item_of = [id_.partition("#")[0] for id_ in text_ids]
    return {
        "image_to_text": _direction(
            "image_to_text", images, images, None, label, text_ids, item_of, rng, skill, ks
        ),
        "text_to_image": _direction(
            "text_to_image", text_ids, item_of, captions, label, images, images, rng, skill, ks
        ),
    }


def _direction(direction, ids, item_ids, texts, label, gallery, gallery_items, rng, skill, ks):
    scores = rng.normal(size=(len(ids), len(gallery)))
    relevant = np.array(item_ids)[:, None] == np.array(gallery_items)[None, :]
    scores += 4 * skill * relevant
    order = np.argsort(-scores, axis=1, kind="stable")
    first = 1.0 + np.argmax(np.take_along_axis(relevant, order, axis=1), axis=1)
    top = order[:, :10]
    return QueryResults(
        direction,
        np.array(ids),
        np.array(item_ids),
        tuple(None if texts is None else texts[id_] for id_ in ids),
        tuple(label[item] for item in item_ids),
        {
            **{f"recall@{k}": (first <= k).astype(float) for k in ks},
            "average_precision": 1 / first,
            "reciprocal_rank": 1 / first,
            "first_rank": first,
        },
        np.array(gallery)[top],
        np.take_along_axis(scores, top, axis=1).astype(np.float32),
    )
