"""What may be evaluated: embeddings or arrays, checked before anything is multiplied."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from xmr.core.errors import DataError, problems_message
from xmr.core.types import Embeddings, Modality
from xmr.evaluation.protocol import Protocol
from xmr.evaluation.similarity import as_float32, squared_norms

Source = Embeddings | tuple[np.ndarray, Sequence[str]] | tuple[np.ndarray, Sequence[str], Sequence[str]]
"""Embeddings, or vectors (N, D) with item ids (N,) and, where entries must be told apart, ids (N,)."""


@dataclass(frozen=True)
class PerQuery:
    """What some protocols know of each query (Q,): its reference's id, its candidates' ids, its group.

    With groups (the categories of FashionIQ), metrics are means over the groups.
    """

    references: Sequence[str] | None = None
    candidates: Sequence[Sequence[str]] | None = None
    groups: Sequence[str] | None = None


def as_embeddings(source: Source, modality: Modality) -> Embeddings:
    """`source` itself, or what its arrays hold, of that modality.

    Raises `DataError` naming the rows whose item id (or label) or id is missing: None or NaN.
    """
    if isinstance(source, Embeddings):
        return source
    vectors, item_ids, *rest = source
    ids = rest[0] if rest else [f"{modality}-{n}" for n in range(len(vectors))]
    _check_names(str(modality), item_ids, ids)
    return Embeddings(torch.as_tensor(vectors), np.asarray(ids), np.asarray(item_ids).astype(str), modality)


def _check_names(role: str, item_ids: Sequence[Any] | np.ndarray, ids: Sequence[Any] | np.ndarray) -> None:
    """Raise `DataError` for rows without a name, of which text would make the name `nan` or `None`."""
    for what, names in (("item ids or labels", item_ids), ("ids", ids)):
        if isinstance(names, np.ndarray) and names.dtype.kind in "USiub":
            continue
        missing = [row for row, name in enumerate(names) if name is None or name != name]
        if missing:
            problems = [f"row {row}: {names[row]}" for row in missing]
            remedy = "Leave these rows out, or give each the item or class that it shows."
            raise DataError(problems_message(f"{what} of {role} embeddings are missing", problems, remedy))


def check_both(queries: Embeddings, gallery: Embeddings, protocol: Protocol) -> None:
    """Raise `DataError` for input that no metric can be trusted of, naming ids and rows."""
    for role, embeddings in (("query", queries), ("gallery", gallery)):
        _check(role, embeddings, protocol)
    if queries.dim != gallery.dim:
        raise DataError(
            f"queries have dimension {queries.dim}, the gallery {gallery.dim}; embed both with one model"
        )


def check_related(queries: Embeddings, gallery: Embeddings) -> None:
    """Raise `DataError` when no query has a relevant entry."""
    if not set(queries.item_ids.tolist()) & set(gallery.item_ids.tolist()):
        raise DataError(f"none of {len(queries)} queries has its item id in the gallery of {len(gallery)}")


def _check(role: str, embeddings: Embeddings, protocol: Protocol) -> None:
    if not len(embeddings):
        raise DataError(f"there is no {role} embedding to evaluate; check the split")
    _check_names(role, embeddings.item_ids, embeddings.ids)
    if protocol.images and embeddings.modality is Modality.IMAGE and len(embeddings) != protocol.images:
        raise DataError(
            f"protocol {protocol.name} is for {protocol.images} images, but there are {len(embeddings)}; "
            f"use its test split, or the protocol 'standard'"
        )
    if len(set(embeddings.ids.tolist())) < len(embeddings):
        values, counts = np.unique(embeddings.ids, return_counts=True)
        repeated = [
            f"'{id_}' ({count} times)" for id_, count in zip(values, counts, strict=True) if count > 1
        ]
        raise DataError(problems_message(f"{role} ids must be unique", repeated, "Give each vector its own."))
    # in float64, which holds the square of any float32
    norms = np.sqrt(squared_norms(as_float32(embeddings.vectors)))
    bad = ~np.isfinite(norms) | ((norms == 0) if protocol.similarity == "cosine" else False)
    if bad.any():
        rows = np.flatnonzero(bad).tolist()
        problems = [f"'{embeddings.ids[row]}' (row {row}): norm {norms[row]:g}" for row in rows]
        raise DataError(
            problems_message(
                f"{role} embeddings must be finite and not zero",
                problems,
                "Usual causes: a diverged run (lower the learning rate) or a broken input.",
            )
        )


def check_about(about: PerQuery, n_queries: int, protocol: Protocol, *, named: bool) -> None:
    """Raise `DataError` unless `about` has what the protocol needs to know of each query, and no more."""
    needed = {
        "references": protocol.exclude == "reference",
        "candidates": protocol.subset,
        "groups": protocol.groups,
    }
    for name, is_needed in needed.items():
        values = getattr(about, name)
        if is_needed and values is None:
            raise DataError(f"protocol {protocol.name} needs the {name} of each query: PerQuery({name}=...)")
        if values is not None and len(values) != n_queries:
            raise DataError(f"{len(values)} {name} for {n_queries} queries; give one for each")
    if about.groups is not None and not protocol.groups:
        raise DataError(f"protocol {protocol.name} has no groups; use Protocol(groups=True)")
    if protocol.folds > 1 and (protocol.groups or protocol.subset or protocol.exclude == "reference"):
        raise DataError("folds go with no groups, subsets or references; use protocol folds=1")
    if protocol.exclude == "self" and not named:
        raise DataError(
            "exclude='self' tells entries apart by their ids; give (vectors, item_ids, ids), or Embeddings"
        )
