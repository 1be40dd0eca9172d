"""Reads a sweep: its file in conf/sweep with what the command line changes, checked before any run."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from xmr.core.errors import ConfigError, MissingFilesError, check_whole, did_you_mean
from xmr.pipelines.cli import CONF
from xmr.pipelines.overrides import check_overrides, compose_config
from xmr.pipelines.sweep.metric import check_metric
from xmr.pipelines.sweep.plan import Direction, Method, SweepPlan
from xmr.pipelines.sweep.space import Choices, Parameter, Value, grid_of, parse_space

FIELDS = ("metric", "direction", "sampler", "pruner", "n_trials", "overrides", "space")
# of scripts/sweep.py, which takes them away before
HOW = ("workers", "engine")
# the options of each, with their defaults
SAMPLERS: Mapping[str, Mapping[str, int]] = {
    "grid": {},
    "random": {},
    "tpe": {"startup_trials": 10},
    "cmaes": {"startup_trials": 1},
}
PRUNERS: Mapping[str, Mapping[str, int]] = {
    "none": {},
    "median": {"startup_trials": 5, "warmup_epochs": 0},
    "successive_halving": {"min_epochs": 1, "reduction_factor": 4},
}
LEAST = {"min_epochs": 1, "reduction_factor": 2}
# what the sweep sets for each run
OWN_SETTINGS = ("resume", "hydra.run.dir", "evaluation.monitor", "logger.wandb.name")
NAME = re.compile(r"[A-Za-z0-9][\w.-]*")


def sweep_names() -> list[str]:
    """The sweeps of conf/sweep."""
    return sorted(path.stem for path in (CONF / "sweep").glob("*.yaml"))


def read_plan(words: Sequence[str]) -> SweepPlan:
    """The plan that `words` (key=value) ask for: sweep=NAME, its fields, space.KEY=, overrides of train.py.

    Raises `ConfigError` for whatever would keep the sweep, or all of its runs, from working.
    """
    own, others = _split(words)
    if "sweep" not in own:
        raise ConfigError(f"name a sweep: scripts/sweep.py sweep=NAME; known: {', '.join(sweep_names())}")
    where = f"sweep={own['sweep']}"
    stem, fields = _fields(own.pop("sweep"), own, where)
    space = parse_space(fields["space"], where)
    overrides = _overrides(fields["overrides"] or [], others, space, where)
    config = _check_runs(overrides, space)
    sampler = _method("sampler", fields["sampler"] or "tpe", SAMPLERS, where)
    _check_cmaes(sampler, space, where)
    grid = grid_of(space, where) if sampler.name == "grid" else []
    metric = str(fields["metric"] or config.evaluation.monitor)
    check_metric(metric, config, where)
    return SweepPlan(
        name=_name(overrides, stem),
        metric=metric,
        direction=_direction(fields["direction"], metric, where),
        sampler=sampler,
        pruner=_method("pruner", fields["pruner"] or "none", PRUNERS, where),
        n_trials=_n_trials(fields["n_trials"], grid, where),
        overrides=tuple(word for word in overrides if not word.startswith("name=")),
        space=space,
        grid=grid,
        config=config,
    )


def _split(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """What is for the sweep itself, by key, and the overrides of its runs."""
    own: dict[str, str] = {}
    others = []
    of_train = {path.name for path in CONF.iterdir() if path.is_dir()} | set(
        OmegaConf.load(CONF / "train.yaml")
    )
    for word in words:
        key, equals, value = word.partition("=")
        if not equals and not word.startswith("~"):
            raise ConfigError(f"'{word}' is no key=value; write settings as key=value")
        if key.startswith("+space."):  # as Hydra's command line would have it
            key = key.removeprefix("+")
        if key in ("sweep", *FIELDS) or key.startswith("space."):
            own[key] = value
        elif key.isidentifier() and key not in of_train:
            known = (*FIELDS, *HOW, *map(str, of_train))
            raise ConfigError(f"unknown setting '{key}'; {did_you_mean(key, known)}")
        else:
            others.append(word)
    return own, others


def _fields(name: str, changes: Mapping[str, str], where: str) -> tuple[str, dict[str, Any]]:
    """The name of the sweep, and the fields of its file with `changes`: all of them, None where not given."""
    file = Path(name) if name.endswith(".yaml") else CONF / "sweep" / f"{name}.yaml"
    if not file.is_file():
        if name.endswith(".yaml"):
            raise MissingFilesError(f"{where}: there is no such file")
        raise ConfigError(f"{where} does not exist; {did_you_mean(name, sweep_names())}")
    fields = _yaml(file.read_text(encoding="utf-8"), f"{file} can't be read")
    if not isinstance(fields, dict):
        raise ConfigError(f"{file} holds no fields; it takes {', '.join(FIELDS)}")
    for key, text in changes.items():
        value = _yaml(f"value: {text}", f"can't read the value of '{key}={text}'")["value"]
        if key.startswith("space."):
            fields["space"] = {**(fields.get("space") or {}), key.removeprefix("space."): value}
        else:
            fields[key] = value
    for key in fields:
        if key not in FIELDS:
            raise ConfigError(f"{where}: unknown field '{key}'; {did_you_mean(str(key), FIELDS)}")
    return file.stem, {**dict.fromkeys(FIELDS), **fields}


def _yaml(text: str, complaint: str) -> Any:
    """Values of a YAML text as OmegaConf reads it, where 1e-5 is a number."""
    try:
        return OmegaConf.to_container(OmegaConf.create(text))
    except (YAMLError, OmegaConfBaseException) as error:
        raise ConfigError(f"{complaint}: {' '.join(str(error).split())}") from error


def _overrides(of_file: Any, others: Sequence[str], space: Mapping[str, Parameter], where: str) -> list[str]:
    """The overrides of all runs; those of the command line stand in for those of the file."""
    if not isinstance(of_file, list) or not all(isinstance(word, str) for word in of_file):
        raise ConfigError(f"{where}: overrides={of_file}; give a list of key=value, as for train.py")
    given = {word.partition("=")[0] for word in others}
    words = [*(word for word in of_file if word.partition("=")[0] not in given), *others]
    try:
        parsed = OverridesParser.create().parse_overrides(words)
    except HydraException as error:
        raise ConfigError(f"can't read the settings given: {error}") from error
    for word, override in zip(words, parsed, strict=True):
        key, _, value = word.partition("=")
        if override.is_sweep_override():
            raise ConfigError(f"'{word}' gives several values; use space.{key}=[{value}] for a run of each")
        if key in space:
            raise ConfigError(f"'{word}' is for all runs, but {key} is in the space; use space.{key}=[...]")
        if key in OWN_SETTINGS:
            raise ConfigError(f"'{word}': the sweep itself sets {key} for each run; leave it out")
    return words


def _check_runs(overrides: Sequence[str], space: Mapping[str, Parameter]) -> DictConfig:
    """The config of the first run; raises `ConfigError` for keys and options that train.py does not have."""
    swept = [f"{key}={','.join(of.texts())}" for key, of in space.items()]
    config = check_overrides(CONF, "train", [*overrides, *swept, "-m"])
    first = {key: f"{key}={of.texts()[0]}" for key, of in space.items()}
    for key, of in space.items():
        if not (isinstance(of, Choices) and (CONF / key).is_dir()):
            continue
        for text in of.texts()[1:]:
            # an option of a group may lack a setting that the first one has
            words = {**first, key: f"{key}={text}"}
            try:
                compose_config(CONF, "train", [*overrides, *words.values()])
            except ConfigError as error:
                raise ConfigError(f"with {words[key]}: {error}") from error
    return config


def _method(kind: str, given: Any, known: Mapping[str, Mapping[str, int]], where: str) -> Method:
    """`tpe`, or `{name: tpe, startup_trials: 5}`."""
    options = dict(given) if isinstance(given, dict) else {"name": given}
    name = str(options.pop("name", ""))
    if name not in known:
        # train.py has samplers of batches
        hint = (
            f"; train.py's own {kind} is space.{kind}=[{name}]"
            if (CONF / kind / f"{name}.yaml").is_file()
            else ""
        )
        raise ConfigError(f"{where}: {kind}={name}; {did_you_mean(name, known)}{hint}")
    for key, value in options.items():
        if key not in known[name]:
            told = did_you_mean(str(key), known[name]) if known[name] else "it has no options"
            raise ConfigError(f"{where}: {kind} {name} has no '{key}'; {told}")
        check_whole(LEAST.get(key, 0), **{f"{kind}.{key}": value})
    return Method(name, {**known[name], **options})


def _check_cmaes(sampler: Method, space: Mapping[str, Parameter], where: str) -> None:
    if sampler.name != "cmaes":
        return
    lists = [key for key, of in space.items() if isinstance(of, Choices)]
    if lists or len(space) < 2:
        wrong = f"space.{lists[0]} is a list" if lists else "it is the only one"
        raise ConfigError(
            f"{where}: sampler=cmaes needs two or more ranges and no lists, but {wrong}; use sampler=tpe"
        )


def _name(overrides: Sequence[str], stem: str) -> str:
    named = [word.partition("=")[2] for word in overrides if word.startswith("name=")]
    name = named[-1] if named else stem
    if not NAME.fullmatch(name):
        raise ConfigError(f"name={name} names a folder; use letters, digits, '_', '-' and '.'")
    return name


def _direction(given: Any, metric: str, where: str) -> Direction:
    right: Direction = "minimize" if metric.endswith("_rank") else "maximize"
    if given is None or given == right:
        return right
    known = get_args(Direction)
    if given not in known:
        raise ConfigError(f"{where}: direction={given}; {did_you_mean(str(given), known)}")
    better = "lower" if right == "minimize" else "higher"
    raise ConfigError(f"{where}: direction={given}, but a {better} {metric} is better; leave direction out")


def _n_trials(given: Any, grid: Sequence[Mapping[str, Value]], where: str) -> int:
    if given is None:
        if not grid:
            raise ConfigError(f"{where}: how many runs? add n_trials=30, or use sampler=grid")
        return len(grid)
    check_whole(1, n_trials=given)
    if grid and given > len(grid):
        raise ConfigError(
            f"{where}: n_trials={given} > the {len(grid)} combinations of the grid; leave n_trials out"
        )
    return int(given)
