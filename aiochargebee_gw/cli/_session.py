"""From options to an open gateway: the key, the origins, the sandbox."""

from __future__ import annotations

import importlib
import math
import os
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import attrs

from .._wire.url import check_key, is_loopback, origin
from ..errors import ConfigurationError, RequestError
from ..settings import Limits, Retry, Secret, Settings
from ._failures import BadKey, NoKey, protect
from ._output import say

if TYPE_CHECKING:
    from ..gateway import Gateway
    from ..observe import Observer
    from ._options import Common

__all__ = ["find_key", "key_read_ahead", "open_gateway", "settings_of"]

_SERVICE = "aiochargebee-gw"
_VARIABLE = "MATON_API_KEY"
_CONTROL_URL = "AIOCHARGEBEE_GW_CONTROL_URL"
_MAX_KEY = 4096
_from_file: ContextVar[str | BadKey | None] = ContextVar("_from_file", default=None)


@asynccontextmanager
async def open_gateway(
    options: Common, *, retry: Retry | None = None, observers: Iterable[Observer] = ()
) -> AsyncIterator[Gateway]:
    """A gateway as the options say, or one in front of a sandbox of its own. *retry* is the command's own policy."""
    settings = settings_of(options, retry or Retry())
    if options.sandbox:
        async with _sandboxed(options, settings, observers) as gw:
            yield gw
        return
    from ..gateway import Gateway

    key = find_key(options)
    _check_places(key, settings)
    async with Gateway(key, connection=options.connection, settings=settings, observers=observers) as gw:
        yield gw


@asynccontextmanager
async def _sandboxed(options: Common, settings: Settings, observers: Iterable[Observer]) -> AsyncIterator[Gateway]:
    from ..sandbox import Sandbox

    # Our own limits would only slow it down: it has none.
    settings = attrs.evolve(settings, limits=Limits(account_per_second=math.inf))
    try:
        made = Sandbox(
            records=options.sandbox_records, catalog=options.sandbox_catalog, latency=options.sandbox_latency
        )
    except ValueError as error:
        raise RequestError(f"--sandbox: {error}", field="sandbox") from error
    async with made as sandbox:
        catalogs = {"both": "both product catalogues"}.get(options.sandbox_catalog, options.sandbox_catalog)
        customers = f"{options.sandbox_records} made-up customers"
        say(f"sandbox: {customers} at {sandbox.url}, {catalogs}; nothing leaves this machine")
        connection = options.connection or sandbox.connection_id
        async with sandbox.gateway(settings=settings, connection=connection, observers=observers) as gw:
            yield gw


def settings_of(options: Common, retry: Retry) -> Settings:
    """The environment's settings with the options on top. Raises `ConfigurationError` or `RequestError`."""
    if options.sandbox and (options.gateway_url or options.control_url):
        raise RequestError("--sandbox has its own address: leave out --gateway-url and --control-url", field="sandbox")
    settings = Settings.from_env()
    if options.deadline is not None:
        retry = attrs.evolve(retry, deadline_seconds=options.deadline)
    gateway_url = options.gateway_url or settings.gateway_url
    control_url = options.control_url or os.environ.get(_CONTROL_URL)
    if not control_url:
        # A sandbox has one origin for both, and its key may go nowhere else.
        control_url = gateway_url if _is_local(gateway_url) else settings.control_url
    return attrs.evolve(settings, gateway_url=gateway_url, control_url=control_url, retry=retry)


def _is_local(url: str) -> bool:
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:  # the client says what is wrong with it
        return False


def _check_places(key: str, settings: Settings) -> None:
    """Refuse a key for the wrong place, naming the setting."""
    for option, url in (("--gateway-url", settings.gateway_url), ("--control-url", settings.control_url)):
        place = origin(url, option)
        try:
            check_key(Secret(key), place)
        except ConfigurationError as error:
            raise ConfigurationError(f"{option} {place}: {error}") from error


def find_key(options: Common) -> str:
    """The API key: from the file that was named, the environment, or a keyring. Raises `NoKey`."""
    if options.api_key_file:
        key, place = _of_file(), f"the key file {options.api_key_file}"
    elif key := os.environ.get(_VARIABLE, ""):
        place = _VARIABLE
    else:
        key, place = _from_keyring() or "", "the keyring"
    if not key:
        raise NoKey(f"no API key: set {_VARIABLE}, or give --api-key-file, or try --sandbox")
    protect(key)
    try:
        check_key(Secret(key))
    except ConfigurationError as error:
        raise BadKey(f"{place}: {error}") from error
    return key


@contextmanager
def key_read_ahead(options: Common) -> Iterator[None]:
    """Read the key file before the loop runs: it may be a pipe, and a signal must end the wait for it."""
    found: str | BadKey | None = None
    if options.api_key_file and not options.sandbox:
        try:
            found = _read(options.api_key_file)
        except BadKey as error:  # for the place where the key is needed
            found = error
    token = _from_file.set(found)
    try:
        yield
    finally:
        _from_file.reset(token)


def _of_file() -> str:
    found = _from_file.get()
    if isinstance(found, str):
        return found
    raise found or NoKey("the key file was not read")


def _read(path: str) -> str:
    try:
        if path == "-":
            text = sys.stdin.read(_MAX_KEY).removeprefix("\ufeff")
        else:
            # Editors on Windows put a mark before the first character.
            with open(path, encoding="utf-8-sig") as file:
                text = file.read(_MAX_KEY)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise BadKey(f"the key file {path} cannot be read: {reason}") from error
    lines = text.split()
    if len(lines) != 1:
        raise BadKey(f"the key file {path} must hold the key and nothing else" + ("" if lines else "; it is empty"))
    return lines[0]


def _from_keyring() -> str | None:
    try:
        found: str | None = importlib.import_module("keyring").get_password(_SERVICE, _VARIABLE)
    except Exception:  # a keyring that is missing, locked or broken is no keyring
        return None
    return found
