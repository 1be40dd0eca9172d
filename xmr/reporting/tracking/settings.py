"""Weights & Biases' settings: whether runs go online, where to, and whether a key for it is there."""

from __future__ import annotations

import configparser
import netrc
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from xmr.core.errors import ConfigError, did_you_mean

Mode = Literal["online", "offline", "disabled"]
# the values that wandb takes for them: "run" and "dryrun" are its older names
MODES: dict[str, Mode] = {
    "online": "online",
    "run": "online",
    "offline": "offline",
    "dryrun": "offline",
    "disabled": "disabled",
}

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


def has_key() -> bool:
    """Whether a key for W&B's server is configured: in the environment, a settings file or netrc."""
    return _has_key(_settings())


def server_url() -> str:
    """The address of the W&B server that the environment or a settings file names, else wandb's own."""
    import wandb

    return os.environ.get("WANDB_BASE_URL") or _settings().get("base_url") or wandb.Settings().base_url


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
    hosts = [urlsplit(server).netloc] if server else [CLOUD_KEY_HOST, urlsplit(server_url()).netloc]
    return any(entry and entry[2] for entry in map(entries.authenticators, hosts))
