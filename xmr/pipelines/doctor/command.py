"""The doctor: checks the encoders or the data set of a config, and says what is wrong."""

import sys
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig
from rich.console import Console

from xmr.core.types import Modality
from xmr.pipelines.cli import CONF, register_resolvers
from xmr.pipelines.doctor.data import check_data
from xmr.pipelines.doctor.encoder import check_encoder, record_golden
from xmr.pipelines.instantiate import instantiate
from xmr.pipelines.overrides import check_overrides, compose_config

ENCODERS = (Modality.IMAGE, Modality.TEXT)


def doctor(subject: str, settings: Sequence[str], *, record: str | None, golden: str | None) -> None:
    """Check the "encoder"s or the "data" that `settings` choose; exits with 1 when there is a problem."""
    register_resolvers()
    check_overrides(CONF, "train", settings)
    config = compose_config(CONF, "train", settings)
    console = Console()
    if subject == "data":
        problems = check_data(instantiate(config.data), console=console)
    else:
        problems = _check_encoders(config, settings, console, record=record, golden=golden)
    if problems:
        sys.exit(1)


def _check_encoders(
    config: DictConfig, settings: Sequence[str], console: Console, *, record: str | None, golden: str | None
) -> list[str]:
    """Check the encoders that `settings` name, or both of the config when they name none."""
    named = [modality for modality in ENCODERS if any(s.startswith(f"encoder/{modality}=") for s in settings)]
    problems = []
    for modality in named or ENCODERS:
        encoder = instantiate(config.encoder[modality])
        where = {} if golden is None else {"golden_dir": Path(golden)}
        problems += check_encoder(encoder, console=console, **where)
        if record is not None:
            path = record_golden(
                encoder, name=f"{modality}-{type(encoder).__name__}", golden_dir=Path(record)
            )
            console.print(f"golden embeddings written to {path}; compare later with --golden {record}")
    return problems
