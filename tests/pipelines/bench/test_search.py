import json

import pytest
from PIL import Image

from xmr.core.errors import ConfigError
from xmr.pipelines.bench.search import KINDS, bench_batches, bench_search


def test_every_row_has_what_the_ledger_and_the_plot_show(tmp_path, capsys):
    rows_file, plot = tmp_path / "rows.json", tmp_path / "times.png"
    kinds = "exact,exact bf16,sq8,binary,binary x10"
    bench_search(sizes=[200, 100], kinds=kinds, rounds=1, json_file=rows_file, plot_file=plot)
    rows = json.loads(rows_file.read_text())["rows"]
    found = [(row["size"], row["name"], row["queries"]) for row in rows]
    assert found == [(s, name, q) for s in (100, 200) for name in kinds.split(",") for q in (1, 100)]
    assert all(row["ms"] > 0 and row["product_ms"] > 0 and row["ratio"] > 0 for row in rows)
    by_name = {row["name"]: row for row in rows if row["size"] == 200}
    assert by_name["exact"]["recall_at_10"] == by_name["exact bf16"]["recall_at_10"] == 1.0
    assert by_name["binary"]["recall_at_10"] < by_name["binary x10"]["recall_at_10"]
    assert by_name["exact"]["bytes_per_vector"] == 32 * by_name["binary"]["bytes_per_vector"] == 2048
    assert Image.open(plot).width > Image.open(plot).height > 300
    assert "200 x 512" in capsys.readouterr().out


def test_batches_are_measured_against_the_product(tmp_path, capsys):
    rows = bench_batches(size=300, rounds=1, json_file=tmp_path / "rows.json")
    assert [row["queries"] for row in rows[::2]] == [2**n for n in range(11)]
    assert all(row["ratio"] > 0 for row in rows)
    assert "1,024" in capsys.readouterr().out


def test_what_cannot_be_measured_is_refused_at_once():
    settings = {"rounds": 1, "json_file": None, "plot_file": None}
    with pytest.raises(ConfigError, match="kinds=exakt: did you mean 'exact'"):
        bench_search(sizes=[100], kinds="exakt", **settings)
    with pytest.raises(ConfigError, match="the smallest of sizes=9 is below 10"):
        bench_search(sizes=[100, 9], kinds="all", **settings)
    assert set(KINDS) >= {"exact", "ivf", "hnsw", "pq", "ivf pq", "sq8", "binary", "binary itq x10"}
