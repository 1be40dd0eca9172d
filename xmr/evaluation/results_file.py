"""The files of an evaluation: results.json, and queries.parquet with what each query scored and retrieved."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, NoReturn

import numpy as np

from xmr.core.errors import DataError
from xmr.core.files import atomic_path
from xmr.evaluation.protocol import Protocol

RESULTS_SCHEMA = 3
"""Version of what results.json holds."""

QUERIES_SCHEMA = 1
"""Version of what queries.parquet holds."""

RETRIEVED = 10
"""How many gallery entries of each query are kept."""

Statistic = Literal["mean", "median"]
SHOWN = ("text", "label", "retrieved", "scores")
ABOUT = ("direction", "query_id", "item_id", *SHOWN)


@dataclass(frozen=True, eq=False)
class QueryResults:
    """What each of Q queries of a direction scored, and the K <= 10 entries that it found.

    `item_ids` (Q,) say which queries belong together: captions of one image are not independent. `texts`
    are None for pictures, `labels` "" for none. `values` maps `recall@1`, `average_precision`,
    `first_rank`... to arrays (Q,). `retrieved` and `scores` are (Q, K), best first, or None where each
    query has a gallery of its own (folds, groups).
    """

    direction: str
    query_ids: np.ndarray
    item_ids: np.ndarray
    texts: tuple[str | None, ...]
    labels: tuple[str, ...]
    values: dict[str, np.ndarray]
    retrieved: np.ndarray | None = None
    scores: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class MetricValues:
    """A metric of each query (Q,), whose `statistic` is the metric; `clusters` (Q,) belong together."""

    ids: np.ndarray
    values: np.ndarray
    clusters: np.ndarray
    statistic: Statistic = "mean"


def metric_values(queries: Mapping[str, QueryResults], metric: str) -> MetricValues | None:
    """The values that `metric` (`text_to_image/mAP`, `mean_recall`) is the mean or median of.

    None for metrics that no value of a single query makes up, or whose direction is not there. Those of
    `mean_recall` are weighted such that their mean is the mean over directions.
    """
    if metric == "mean_recall":
        return _mean_recall(queries)
    direction, _, name = metric.rpartition("/")
    column = column_of(name)
    if direction not in queries or column not in queries[direction].values:
        return None
    of = queries[direction]
    statistic: Statistic = "median" if name == "median_rank" else "mean"
    return MetricValues(of.query_ids, of.values[column], of.item_ids, statistic)


def column_of(metric: str) -> str | None:
    """The column of queries.parquet that a metric averages: `mAP@5` -> `average_precision@5`.

    None for `recall_subset@k`, which is stored for no query.
    """
    if metric.startswith("mAP"):
        return metric.replace("mAP", "average_precision", 1)
    if metric.startswith("recall_subset@"):
        return None
    named = {"mrr": "reciprocal_rank", "R_precision": "r_precision"}
    return named.get(metric, "first_rank" if metric in ("median_rank", "mean_rank") else metric)


def _mean_recall(queries: Mapping[str, QueryResults]) -> MetricValues | None:
    of_direction = []
    for of in queries.values():
        recalls = [column for name, column in of.values.items() if name.startswith("recall@")]
        if not recalls:
            return None
        of_direction.append(np.mean(recalls, axis=0))
    if not of_direction:
        return None
    total = sum(map(len, of_direction))
    weighted = [values * total / (len(of_direction) * len(values)) for values in of_direction]
    return MetricValues(
        np.concatenate([np.char.add(f"{of.direction}/", of.query_ids) for of in queries.values()]),
        np.concatenate(weighted),
        np.concatenate([of.item_ids for of in queries.values()]),
    )


def read_results(file: Path) -> dict[str, Any]:
    """What the results.json at `file` holds.

    Raises `DataError`, in one line, for a file that can't be read or is half-written, for another version
    of its schema, for figures that are no numbers, and for whatever else the schema forbids.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"), parse_constant=_refuse)
    except OSError as error:
        raise DataError(f"{file} can't be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{file} is no text, so it is damaged; evaluate again") from error
    except json.JSONDecodeError as error:
        raise DataError(f"{file} is half-written or no JSON ({error}); evaluate again") from error
    except _NotANumberError as error:
        raise DataError(f"{file} has {error} among its figures; evaluate again") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file} is no results.json ({error}); evaluate again") from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version is not None and version != RESULTS_SCHEMA:
        raise DataError(
            f"{file} has schema version {version}, but this xmr reads {RESULTS_SCHEMA}; evaluate again"
        )
    from fastjsonschema import JsonSchemaValueException

    try:
        _results_schema()(content)
    except JsonSchemaValueException as error:
        raise DataError(f"{file}: {error.message.removeprefix('data.')}") from error
    for name, value in content["metrics"].items():
        if not abs(value) <= sys.float_info.max:  # 1e999, or as many digits
            raise DataError(f"{file} has {name}={value} among its figures; evaluate again")
    return content


class _NotANumberError(ValueError):
    """NaN or an infinity, which JSON does not have but Python reads."""


def _refuse(constant: str) -> NoReturn:
    raise _NotANumberError(constant)


@cache
def _results_schema() -> Callable[[Any], Any]:
    import fastjsonschema

    text = (files("xmr.evaluation") / "schemas" / "results.schema.json").read_text(encoding="utf-8")
    return fastjsonschema.compile(json.loads(text))


def write_queries(file: Path, queries: Mapping[str, QueryResults], protocol: Protocol) -> None:
    """Write queries.parquet, all directions one after the other."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = [_table(of) for of in queries.values()]
    table = pa.concat_tables(tables, promote_options="default")
    about = {"schema_version": QUERIES_SCHEMA, "protocol": protocol.to_json()}
    with atomic_path(file) as path:
        pq.write_table(table.replace_schema_metadata({"xmr": json.dumps(about)}), path, compression="zstd")


def _table(of: QueryResults) -> Any:
    import pyarrow as pa

    n = len(of.query_ids)
    nothing = [None] * n
    text, texts = pa.string(), pa.list_(pa.string())
    columns = {
        "direction": pa.array([of.direction] * n, text),
        "query_id": pa.array(of.query_ids.tolist(), text),
        "item_id": pa.array(of.item_ids.tolist(), text),
        "text": pa.array(of.texts, text),
        "label": pa.array(of.labels, text),
        **{name: pa.array(values, pa.float64()) for name, values in of.values.items()},
        "retrieved": pa.array(nothing if of.retrieved is None else of.retrieved.tolist(), texts),
        "scores": pa.array(nothing if of.scores is None else of.scores.tolist(), pa.list_(pa.float32())),
    }
    return pa.table(columns)


def read_queries(file: Path, *, figures_only: bool = False) -> dict[str, QueryResults]:
    """What queries.parquet holds, by direction; raises `DataError`, in one line, for any other file.

    `figures_only`, which takes a fraction of the time, leaves out texts, labels and what was retrieved.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # opened here: given a path, pyarrow would take more than files
        with file.open("rb") as opened:
            # pq.read_table would import pandas, which takes seconds
            parquet = pq.ParquetFile(opened)
            names = parquet.schema_arrow.names
            table = parquet.read(columns=[n for n in names if not figures_only or n not in SHOWN])
    except OSError as error:
        raise DataError(f"{file} can't be read ({error.strerror or error}); evaluate again") from error
    except pa.ArrowException as error:
        raise DataError(f"{file} is no whole Parquet file ({error}); evaluate again") from error
    try:
        version = json.loads((table.schema.metadata or {}).get(b"xmr", b"{}"))["schema_version"]
    except (ValueError, KeyError, TypeError):
        version = None
    if version != QUERIES_SCHEMA:
        raise DataError(f"{file} has schema version {version}, but this xmr reads {QUERIES_SCHEMA}")
    missing = [name for name in ABOUT if name not in names]
    if missing:
        raise DataError(f"{file} lacks the columns {', '.join(missing)}")
    directions = table.column("direction").to_numpy()
    names = dict.fromkeys(directions.tolist())
    return {name: _query_results(name, table.filter(pa.array(directions == name)), file) for name in names}


def _query_results(direction: str, table: Any, file: Path) -> QueryResults:
    import pyarrow as pa

    columns = {name: table.column(name) for name in table.column_names}
    values = {
        name: column.to_numpy().astype(np.float64)
        for name, column in columns.items()
        # a metric of another direction is empty here; other tools may write columns of their own
        if name not in ABOUT and pa.types.is_floating(column.type) and column.null_count < len(column)
    }
    for name, column in values.items():
        if not np.isfinite(column).all():
            at = int(np.flatnonzero(~np.isfinite(column))[0])
            raise DataError(f"{file}: {name} of query '{columns['query_id'][at]}' is {column[at]}")
    ids, item_ids = (np.array(columns[name].to_pylist(), dtype=str) for name in ("query_id", "item_id"))
    if "retrieved" not in columns:
        return QueryResults(direction, ids, item_ids, (None,) * len(ids), ("",) * len(ids), values)
    retrieved, scores = columns["retrieved"], columns["scores"]
    known = retrieved.null_count == 0
    return QueryResults(
        direction,
        ids,
        item_ids,
        tuple(columns["text"].to_pylist()),
        tuple(columns["label"].to_pylist()),
        values,
        np.array(retrieved.to_pylist(), dtype=str) if known else None,
        np.array(scores.to_pylist(), dtype=np.float32) if known else None,
    )
