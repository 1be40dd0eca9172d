"""Weights & Biases: where a run goes and what it keeps of a result; the one file that imports wandb."""

from __future__ import annotations

import configparser
import math
import netrc
import os
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from xmr.core.errors import ConfigError, XmrError, did_you_mean
from xmr.reporting.views import RankedQuery, Result, View

if TYPE_CHECKING:
    import wandb

Mode = Literal["online", "offline", "disabled"]
# the values that wandb takes for them: "run" and "dryrun" are its older names
MODES: dict[str, Mode] = {
    "online": "online",
    "run": "online",
    "offline": "offline",
    "dryrun": "offline",
    "disabled": "disabled",
}
STEP = "trainer/global_step"
"""The x axis of everything logged: the name that Lightning's WandbLogger logs the step under."""

# keys for wandb's cloud are kept under this host, whatever newer address the client talks to
CLOUD_KEY_HOST = "api.wandb.ai"


def wandb_mode() -> Mode:
    """Where a new run goes, without a prompt and without asking the network.

    `WANDB_MODE` decides, else the mode that `wandb offline` left in wandb's settings file; else "online" when
    an API key is configured (environment, settings file or netrc) and "offline" when none is. Pass it on as
    `wandb.init(mode=...)`. Raises `ConfigError` for a mode that isn't known and for a broken file.
    """
    settings = _settings()
    mode = os.environ.get("WANDB_MODE") or settings.get("mode")
    if mode:
        if mode not in MODES:
            raise ConfigError(
                f"unknown W&B mode '{mode}' in WANDB_MODE or wandb's settings; {did_you_mean(mode, MODES)}"
            )
        return MODES[mode]
    return "online" if _has_key(settings) else "offline"


def start_run(
    folder: Path, *, mode: Mode, project: str, name: str, group: str | None = None, config: Mapping[str, Any]
) -> wandb.Run:
    """Start the run `name`, which is its id as well, below `folder`, or go on with it.

    Waits 20 seconds for a server and then raises `XmrError`, which says how to go on without one.
    """
    import wandb

    try:
        run = wandb.init(
            dir=folder,
            mode=mode,
            project=project,
            id=name,
            name=name,
            group=group,
            config=dict(config),
            resume="allow",
            settings=wandb.Settings(init_timeout=20),
        )
    except (wandb.errors.CommError, wandb.errors.UsageError) as error:
        raise XmrError(
            f"W&B can't start the run ({error}); use logger.wandb.mode=offline and sync it later"
        ) from error
    run.define_metric(STEP)
    run.define_metric("*", step_metric=STEP, step_sync=True)
    return run


def define_metrics(run: wandb.Run, names: Iterable[str]) -> None:
    """Have `run` keep the best value of each metric: the highest recall and mAP, the lowest loss and rank.

    Names are as logged (`val/<data set>/image_to_text/recall@1`): wandb has no pattern that would catch them.
    Others keep their last value.
    """
    run.define_metric(STEP)
    for name in names:
        metric = name.rsplit("/", 1)[-1]
        if "@" in metric or metric in ("mAP", "mean_recall"):
            run.define_metric(name, step_metric=STEP, summary="max")
        elif metric.startswith("loss") or metric.endswith("_rank"):
            run.define_metric(name, step_metric=STEP, summary="min")


def log_panels(run: wandb.Run, panels: Mapping[str, Path], step: int) -> None:
    """Log the PNG files `panels` under their names (`val/panels/text_to_image`) at `step`."""
    import wandb

    run.log({**{name: wandb.Image(str(path)) for name, path in panels.items()}, STEP: step})


def log_html(run: wandb.Run, name: str, path: Path, step: int) -> None:
    """Log the page at `path`, which needs no other file, under `name` (`val/projections`) at `step`."""
    import wandb

    run.log({name: wandb.Html(path.read_text(encoding="utf-8"), inject=False), STEP: step})


def log_rankings_table(run: wandb.Run, name: str, queries: Sequence[RankedQuery], step: int) -> None:
    """Log a table under `name`: for each query its look, its first correct rank and its results in order.

    The small pictures of `ranked_queries` go along as JPEG; a result's caption or text begins with its
    score, after a tick when it is correct.
    """
    import wandb

    k = max((len(query.results) for query in queries), default=0)
    about = ["query_id", "query_image", "query_text", "first_rank"]
    table = wandb.Table(columns=[*about, *(f"result_{rank}" for rank in range(1, k + 1))])
    for query in queries:
        results = [_cell(result) for result in query.results]
        results += [None] * (k - len(results))
        image = _image(query.view, query.view.label)
        known = query.first_rank is not None and not math.isnan(query.first_rank)
        first_rank = query.first_rank if known else None
        table.add_data(query.query_id, image, query.view.text, first_rank, *results)
    run.log({name: table, STEP: step})


def write_summary(run: wandb.Run, metrics: Mapping[str, float]) -> None:
    """Write final metrics as plain numbers, which a leaderboard can sort by, over the best values so far."""
    for name, value in metrics.items():
        run.summary[name] = float(value)


def sync_command(run: wandb.Run) -> str | None:
    """The shell command that uploads an offline `run`; None for one that is online or disabled."""
    if not run.offline:
        return None
    return shlex.join(["wandb", "sync", run.settings.sync_dir])


def finish(exit_code: int = 0) -> None:
    """End the current run, if there is one: several in one process would otherwise run into each other."""
    if "wandb" in sys.modules:
        import wandb

        wandb.finish(exit_code=exit_code)


def _cell(result: Result) -> Any:
    said = f"{'✓ ' if result.relevant else ''}{result.score:.3f}"
    label = f"{said} {result.view.label}".rstrip()
    return _image(result.view, label) or f"{said} {result.view.text or ''}"


def _image(view: View, caption: str) -> Any:
    import wandb

    return wandb.Image(view.image, caption=caption, file_type="jpg") if view.image else None


def _settings() -> dict[str, str]:
    """The settings files of wandb, the one of the working folder over the user's.

    Read here, as asking wandb itself would fix its settings: later changes of the environment, such as
    Lightning's WandbLogger(offline=True) makes, would be lost.
    """
    user = Path(os.environ.get("WANDB_CONFIG_DIR") or "~/.config/wandb").expanduser() / "settings"
    here = Path(os.environ.get("WANDB_DIR") or ".").expanduser() / "wandb" / "settings"
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read([user, here], encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise ConfigError(f"a settings file of wandb can't be read ({error}); mend or remove it") from error
    return dict(parser["default"]) if parser.has_section("default") else {}


def _has_key(settings: Mapping[str, str]) -> bool:
    if any(os.environ.get(name) for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE")):
        return True
    return bool(settings.get("api_key")) or _netrc_has_key(settings)


def _netrc_has_key(settings: Mapping[str, str]) -> bool:
    usual = [Path.home() / name for name in (".netrc", "_netrc")]
    named = os.environ.get("NETRC")
    path = Path(named).expanduser() if named else next((path for path in usual if path.exists()), usual[0])
    if not path.exists():
        return False
    try:
        entries = netrc.netrc(path)
    except (netrc.NetrcParseError, OSError) as error:
        remedy = "mend it, or set WANDB_MODE=offline"
        raise ConfigError(
            f"{path}, which may hold wandb's API key, can't be read ({error}); {remedy}"
        ) from error
    server = os.environ.get("WANDB_BASE_URL") or settings.get("base_url")
    hosts = [urlsplit(server).netloc] if server else [CLOUD_KEY_HOST, _default_host()]
    return any(entry and entry[2] for entry in map(entries.authenticators, hosts))


def _default_host() -> str:
    import wandb

    return urlsplit(wandb.Settings().base_url).netloc
