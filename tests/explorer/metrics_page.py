"""What the tests of the metrics page share: addresses of its sections, and what is written there."""

from typing import Any

from tests.explorer.pages import TWO


def section(name: str, more: str = "") -> str:
    """The address of a section, with two models as columns."""
    return f"#/metrics?tab={name}{more}&{TWO}"


def texts(found: Any) -> list[str]:
    """What is written in the elements, once the first is there."""
    found.first.wait_for()
    return [" ".join(each.split()) for each in found.all_inner_texts()]
