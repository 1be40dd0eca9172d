"""Writes rankings as the server of CIRR's test split takes them."""

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

from xmr.core.errors import ConfigError, DataError, did_you_mean, problems_message

VERSION = "rc2"
Metric = Literal["recall", "recall_subset"]
DEPTH = {"recall": 50, "recall_subset": 3}


def cirr_submission(
    rankings_by_pair_id: Mapping[int | str, Sequence[str]], metric: Metric
) -> dict[str, str | list[str]]:
    """What the server (https://cirr.cecs.anu.edu.au) takes as JSON: names of images by pair id, best first.

    `rankings_by_pair_id` holds for each query the names of the images that it finds, best first, without the
    reference: of the whole gallery for "recall", of the five others of its set for "recall_subset". The first
    50, or 3, go into the file. Raises `ConfigError` for an unknown metric, one `DataError` for all rankings
    that are shorter or name an image twice. Source: Test-split_server.md of Cuberick-Orion/CIRR.
    """
    if metric not in get_args(Metric):
        raise ConfigError(f"metric='{metric}' is unknown; {did_you_mean(metric, get_args(Metric))}")
    depth = DEPTH[metric]
    shown = {str(pair): [str(name) for name in names[:depth]] for pair, names in rankings_by_pair_id.items()}
    problems = [f"pair {pair}: {len(n)} images, not {depth}" for pair, n in shown.items() if len(n) < depth]
    problems += [f"pair {pair} names an image twice" for pair, n in shown.items() if len(set(n)) < len(n)]
    if not shown:
        problems.append("no ranking")
    if len(shown) < len(rankings_by_pair_id):
        problems.append("a pair id is given as a number and as a text")
    if problems:
        raise DataError(problems_message(f"submission for {metric}", problems, "Rank the whole gallery."))
    return {"version": VERSION, "metric": metric, **shown}
