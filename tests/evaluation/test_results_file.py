import json
from dataclasses import replace
from importlib.resources import files

import fastjsonschema
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from xmr.core.errors import DataError
from xmr.core.types import Embeddings, Modality
from xmr.evaluation.evaluator import evaluate_both_directions, flat_metrics
from xmr.evaluation.protocol import Protocol
from xmr.evaluation.results_file import (
    RESULTS_SCHEMA,
    QueryResults,
    column_of,
    metric_values,
    read_queries,
    read_results,
    write_queries,
)

PROTOCOL = Protocol(data="toy", data_fingerprint="f00d", split="val")


def queries(direction="text_to_image", n=4, k=3, **changes) -> QueryResults:
    random = np.random.default_rng(0)
    content = {
        "direction": direction,
        "query_ids": np.array([f"q{i}" for i in range(n)]),
        "item_ids": np.array([f"i{i // 2}" for i in range(n)]),
        "texts": tuple(f"caption {i} é <b>" for i in range(n)),
        "labels": ("",) * n,
        "values": {"recall@1": random.integers(0, 2, n).astype(float), "first_rank": 1 + random.random(n)},
        "retrieved": random.integers(0, 9, (n, k)).astype(str),
        "scores": random.random((n, k)).astype(np.float32),
    }
    return QueryResults(**content | changes)


def assert_equal(one: QueryResults, other: QueryResults) -> None:
    assert (one.direction, one.texts, one.labels) == (other.direction, other.texts, other.labels)
    for name in ("query_ids", "item_ids", "retrieved", "scores"):
        left, right = getattr(one, name), getattr(other, name)
        assert (left is None and right is None) or np.array_equal(left, right)
    assert one.values.keys() == other.values.keys()
    assert all(np.array_equal(one.values[name], other.values[name]) for name in one.values)


def test_queries_are_read_as_they_were_written(tmp_path):
    file = tmp_path / "queries.parquet"
    pictures = queries("image_to_text", n=2, texts=(None, None), retrieved=None, scores=None)
    pictures.values["average_precision"] = np.array([0.5, 1.0])  # a column that the other direction lacks
    written = {"text_to_image": queries(), "image_to_text": pictures}
    write_queries(file, written, PROTOCOL)
    read = read_queries(file)
    assert list(read) == list(written)
    for direction, of in written.items():
        assert_equal(read[direction], of)


def test_figures_alone_are_those_of_the_whole(tmp_path):
    file = tmp_path / "queries.parquet"
    write_queries(file, {"text_to_image": queries()}, PROTOCOL)
    whole, figures = read_queries(file), read_queries(file, figures_only=True)
    for direction, of in whole.items():
        bare = replace(of, texts=(None,) * 4, labels=("",) * 4, retrieved=None, scores=None)
        assert_equal(figures[direction], bare)


def test_queries_obey_their_schema(tmp_path):
    write_queries(tmp_path / "q.parquet", {"text_to_image": queries()}, PROTOCOL)
    schema = json.loads((files("xmr.evaluation") / "schemas/queries.schema.json").read_text())
    valid = fastjsonschema.compile(schema)
    rows = pq.read_table(tmp_path / "q.parquet").to_pylist()
    assert len(rows) == 4
    for row in rows:
        valid(row)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda file: file.unlink(), "can't be read"),
        (lambda file: file.write_bytes(b""), "no whole Parquet file"),
        (lambda file: file.write_bytes(file.read_bytes()[:-50]), "no whole Parquet file"),
        (
            lambda file: pq.write_table(pq.read_table(file).replace_schema_metadata({}), file),
            "schema version",
        ),
        (
            lambda file: pq.write_table(pq.read_table(file).drop_columns(["item_id"]), file),
            "lacks the columns item_id",
        ),
    ],
)
def test_damaged_queries_are_refused_with_the_reason(tmp_path, damage, says):
    file = tmp_path / "q.parquet"
    write_queries(file, {"text_to_image": queries()}, PROTOCOL)
    damage(file)
    with pytest.raises(DataError, match=says):
        read_queries(file)


def test_columns_of_other_tools_are_left_alone(tmp_path):
    file = tmp_path / "q.parquet"
    write_queries(file, {"text_to_image": queries()}, PROTOCOL)
    table = pq.read_table(file)
    pq.write_table(table.append_column("language", [["en"] * len(table)]), file)
    assert_equal(read_queries(file)["text_to_image"], queries())


@pytest.mark.parametrize("metadata", [{"xmr": '{"schema'}, {"xmr": "3"}])
def test_damaged_metadata_is_no_traceback(tmp_path, metadata):
    file = tmp_path / "q.parquet"
    write_queries(file, {"text_to_image": queries()}, PROTOCOL)
    pq.write_table(pq.read_table(file).replace_schema_metadata(metadata), file)
    with pytest.raises(DataError, match="schema version None"):
        read_queries(file)


def test_a_query_whose_figure_is_no_number_is_named(tmp_path):
    values = {"recall@1": np.array([0.0, np.nan, 1.0, 1.0])}
    write_queries(tmp_path / "q.parquet", {"text_to_image": queries(values=values)}, PROTOCOL)
    with pytest.raises(DataError, match="recall@1 of query 'q1'"):
        read_queries(tmp_path / "q.parquet")


def results(**changes) -> dict:
    return {
        "schema_version": RESULTS_SCHEMA,
        "protocol": PROTOCOL.to_json(),
        "metrics": {"text_to_image/recall@1": 0.25},
    } | changes


def test_the_least_that_another_tool_must_write_is_read(tmp_path):
    file = tmp_path / "results.json"
    file.write_text(json.dumps(results()))
    assert read_results(file) == results()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (json.dumps(results())[:-30], "half-written or no JSON"),
        ("", "half-written or no JSON"),
        ("[]", "must be object"),
        (json.dumps(results(schema_version=2)), "schema version 2, but this xmr reads 3"),
        (json.dumps({"metrics": {}}), "must contain"),
        (json.dumps(results(metrics={"recall@1": float("nan")})), "NaN among its figures"),
        (json.dumps(results(metrics={"recall@1": float("inf")})), "Infinity among its figures"),
        (json.dumps(results()).replace("0.25", "1e999"), "text_to_image/recall@1=inf"),
        (json.dumps(results()).replace("0.25", "1" * 401), "text_to_image/recall@1=1"),
        (json.dumps(results()).replace("0.25", "1" * 5000), "is no results.json"),
        ("[" * 100_000, "is no results.json"),
        (json.dumps(results(metrics={"recall@1": "0.2"})), "must be number"),
        (json.dumps(results(metrics={})), "at least 1 properties"),
        (json.dumps(results(protocol={"name": "standard"})), "must contain"),
        (json.dumps(results(protocol=PROTOCOL.to_json() | {"new": 1})), "must not contain"),
    ],
)
def test_other_results_are_refused_in_one_line_with_the_reason(tmp_path, text, says):
    file = tmp_path / "results.json"
    file.write_text(text)
    with pytest.raises(DataError, match=says) as error:
        read_results(file)
    assert str(file) in str(error.value)
    assert "\n" not in str(error.value)


def evaluated(seed=0):
    random = torch.Generator().manual_seed(seed)
    items = np.array([f"i{n}" for n in range(12)])
    image = Embeddings(torch.randn(12, 8, generator=random), items, items, Modality.IMAGE)
    ids = np.array([f"i{n}#{m}" for n in range(12) for m in range(3)])
    text = Embeddings(torch.randn(36, 8, generator=random), ids, np.repeat(items, 3), Modality.TEXT)
    found = evaluate_both_directions(image, text, PROTOCOL)
    return found, {
        direction: QueryResults(
            direction,
            of.query_ids,
            np.array([id_.partition("#")[0] for id_ in of.query_ids]),
            (None,) * len(of.query_ids),
            ("",) * len(of.query_ids),
            of.per_query,
        )
        for direction, of in found.items()
    }


def test_every_metric_of_an_evaluation_is_the_mean_or_median_of_its_values():
    found, by_query = evaluated()
    for name, metric in flat_metrics(found).items():
        of = metric_values(by_query, name)
        own = np.mean(of.values) if of.statistic == "mean" else np.median(of.values)
        assert own == pytest.approx(metric, rel=1e-12), name
        assert len(of.ids) == len(set(of.ids.tolist())) == len(of.clusters)


def test_metrics_that_no_single_query_has_are_none():
    _, by_query = evaluated()
    assert column_of("recall_subset@1") is None
    for name in ("composed_to_image/recall@1", "text_to_image/recall_subset@1", "text_to_image/novel", "mAP"):
        assert metric_values(by_query, name) is None
    assert metric_values({}, "mean_recall") is None
