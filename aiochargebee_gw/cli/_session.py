"""From options to an open gateway: the key, the origins, the sandbox."""

from __future__ import annotations

import importlib
import math
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs

from ..errors import ConfigurationError, RequestError
from ..settings import Limits, Retry, Settings
from ._failures import NoKey, protect
from ._output import say

if TYPE_CHECKING:
    from ..gateway import Gateway
    from ._options import Common

__all__ = ["find_key", "open_gateway", "settings_of"]

_SERVICE = "aiochargebee-gw"
_VARIABLE = "MATON_API_KEY"
_MAX_KEY = 4096


@asynccontextmanager
async def open_gateway(options: Common, *, retry: Retry | None = None) -> AsyncIterator[Gateway]:
    """A gateway as the options say, or one in front of a sandbox of its own. *retry* is the command's own policy."""
    settings = settings_of(options, retry or Retry())
    if options.sandbox:
        async with _sandboxed(options, settings) as gw:
            yield gw
        return
    from ..gateway import Gateway

    async with Gateway(find_key(options), connection=options.connection, settings=settings) as gw:
        yield gw


@asynccontextmanager
async def _sandboxed(options: Common, settings: Settings) -> AsyncIterator[Gateway]:
    from ..sandbox import Sandbox

    # Our own limits would only slow it down: it has none.
    settings = attrs.evolve(settings, limits=Limits(account_per_second=math.inf))
    async with Sandbox(records=options.sandbox_records, catalog=options.sandbox_catalog) as sandbox:
        say(f"sandbox: {options.sandbox_records} made-up customers at {sandbox.url}; nothing leaves this machine")
        connection = options.connection or sandbox.connection_id
        async with sandbox.gateway(settings=settings, connection=connection) as gw:
            yield gw


def settings_of(options: Common, retry: Retry) -> Settings:
    """The environment's settings with the options on top. Raises `ConfigurationError` or `RequestError`."""
    if options.sandbox and (options.gateway_url or options.control_url):
        raise RequestError("--sandbox has its own address: leave out --gateway-url and --control-url", field="sandbox")
    settings = Settings.from_env()
    if options.deadline is not None:
        retry = attrs.evolve(retry, deadline_seconds=options.deadline)
    return attrs.evolve(
        settings,
        gateway_url=options.gateway_url or settings.gateway_url,
        control_url=options.control_url or settings.control_url,
        retry=retry,
    )


def find_key(options: Common) -> str:
    """The API key: from the file that was named, the environment, or a keyring. Raises `NoKey`."""
    key = _from_file(options.api_key_file) if options.api_key_file else os.environ.get(_VARIABLE) or _from_keyring()
    if not key:
        raise NoKey(f"no API key: set {_VARIABLE}, or give --api-key-file, or try --sandbox")
    protect(key)
    return key


def _from_file(path: str) -> str:
    try:
        if path == "-":
            text = sys.stdin.read(_MAX_KEY)
        else:
            with open(path, encoding="utf-8") as file:
                text = file.read(_MAX_KEY)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise ConfigurationError(f"the key file {path} cannot be read: {reason}") from error
    lines = text.split()
    if len(lines) != 1:
        raise ConfigurationError(f"the key file {path} must hold the key and nothing else")
    return lines[0]


def _from_keyring() -> str | None:
    try:
        found: str | None = importlib.import_module("keyring").get_password(_SERVICE, _VARIABLE)
    except Exception:  # a keyring that is missing, locked or broken is no keyring
        return None
    return found
