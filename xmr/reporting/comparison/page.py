"""The page of a comparison: one HTML file that needs nothing else, and asks no network."""

import html
import json
from collections.abc import Mapping
from importlib.resources import files
from string import Template
from typing import Any

SCRIPTS = ("basics.js", "charts.js", "queries.js", "page.js")


def comparison_page(content: Mapping[str, Any]) -> str:
    """The page that shows what `comparison_content` made: the verdict first, then metrics, then queries."""
    assets = files("xmr.reporting") / "assets" / "comparison"

    def asset(name: str) -> str:
        return (assets / name).read_text(encoding="utf-8")

    names = " against ".join(" ".join(model["name"].split()) for model in content["models"])
    return Template(asset("page.html")).substitute(
        title=html.escape(names),
        style=asset("page.css"),
        script="\n".join(map(asset, SCRIPTS)),
        # a "</script>" within a caption must not end the data
        data=json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace(
            "<", "\\u003c"
        ),
    )
