"""Pictures and the sentences that are true of them: reads, deals into splits, derives composed queries."""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from xmr.core.errors import DataError, problems_message
from xmr.data.dataset import ComposedQuery
from xmr.data.rows import read_table
from xmr.data.splitting import assign_splits, held_out

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrueSentence:
    """A sentence that is true of a picture; a picture with several of them comes once for each.

    `row_id` names the pair of both. Pictures of one `group` were shown together to those who wrote and
    judged the sentences. `variant` tells apart the drawings of one example, as NLVR's orders of the boxes.
    """

    row_id: str
    image_id: str
    image: str
    sentence: str
    group: str
    variant: str = ""


def read_true_rows(path: Path, patterns: Mapping[str, str]) -> list[dict[str, str]]:
    """The cells of JSON lines whose "label" is true, under the columns that `patterns` has expressions for.

    Lines whose label is false are left out, and counted in the log. Raises one `DataError` for all lines
    whose label is neither, or whose cells are not what their expressions say.
    """
    table = read_table(path, format="jsonl", wanted={*patterns, "label"})
    problems, kept, false = list(table.problems), [], 0
    for place, row in table.rows:
        cells = {column: str(row.get(column, "")).strip() for column in patterns}
        wrong = [column for column, cell in cells.items() if not re.fullmatch(patterns[column], cell)]
        problems += [f"{place}: {c}={row.get(c)!r} is not like {patterns[c]}" for c in wrong]
        truth = str(row.get("label")).casefold()  # a string in NLVR, true or false in most tables
        if truth not in ("true", "false"):
            problems.append(f"{place}: label={row.get('label')!r} is neither true nor false")
        elif truth == "false":
            false += 1
        else:
            kept.append(cells)
    if problems:
        raise DataError(problems_message(str(path), problems, "Get the file again, or mend these lines."))
    log.info("%s: left out %d of %d sentences, which are false", path, false, len(table.rows))
    return kept


def same_words(sentence: str) -> str:
    """`sentence` without case, punctuation and spare spaces: what one true sentence's spellings share."""
    return " ".join(re.findall(r"\w+", sentence.casefold()))


def deal_apart(
    rows: Sequence[TrueSentence], *, val_fraction: float, test_fraction: float, seed: int
) -> list[str]:
    """The split of each of N rows: no picture, group or sentence (but for its spelling) is in two of them.

    Rows that share one of these, or are linked by others that do, are dealt together (`assign_splits`).
    Raises `ConfigError` for fractions below 0 or that leave nothing to train on.
    """
    fractions = held_out(val_fraction=val_fraction, test_fraction=test_fraction)
    links = [
        (f"image {row.image_id}", f"group {row.group}", f"words {same_words(row.sentence)}") for row in rows
    ]
    return assign_splits(_linked(links), fractions=fractions, seed=seed)


def next_picture_queries(rows: Sequence[TrueSentence], splits: Sequence[str]) -> tuple[ComposedQuery, ...]:
    """Picture + sentence -> the next picture of which the same sentence is true, in the order of `rows`.

    The last one leads to the first. Pictures are of one variant; one that is alone gives no query.
    """
    pictures: dict[tuple[str, str], dict[str, tuple[TrueSentence, str]]] = {}
    for row, split in zip(rows, splits, strict=True):
        same = pictures.setdefault((same_words(row.sentence), row.variant), {})
        same.setdefault(row.image_id, (row, split))
    queries = []
    for same in pictures.values():
        shown = list(same.values())
        for (row, split), (target, _) in zip(shown, [*shown[1:], shown[0]], strict=True):
            if row is not target:
                queries.append(_query(row, target, split))
    return tuple(queries)


def _query(row: TrueSentence, target: TrueSentence, split: str) -> ComposedQuery:
    return ComposedQuery(
        query_id=f"{row.row_id}+next",
        reference_id=row.image_id,
        reference=row.image,
        text=row.sentence,
        target_id=target.image_id,
        target=target.image,
        split=split,
    )


def _linked(links: Sequence[Sequence[str]]) -> list[str]:
    """A name for each row that is equal for rows that share a link, directly or by way of other rows."""
    parent: dict[str, str] = {}

    def root(link: str) -> str:
        while parent.setdefault(link, link) != link:
            parent[link] = link = parent[parent[link]]
        return link

    for first, *others in links:
        for other in others:
            # the smaller name becomes the root, so that the order of the rows does not matter
            low, high = sorted((root(first), root(other)))
            parent[high] = low
    return [root(first) for first, *_ in links]
