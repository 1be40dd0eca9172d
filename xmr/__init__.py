"""xmr: train, evaluate and compare models that put images and text into one space."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xmr.pipelines.load import load

__all__ = ["load"]


def __getattr__(name: str) -> Any:
    """`xmr.load`, imported when it is first used: torch takes seconds."""
    if name == "load":
        from xmr.pipelines.load import load

        return load
    raise AttributeError(f"module 'xmr' has no attribute '{name}'")
