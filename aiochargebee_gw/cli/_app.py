"""The commands, and the one place that turns what they raise into an exit code."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError, Parameter, UnusedCliTokensError

from .._version import __version__
from ..errors import RequestError
from ._failures import report
from ._help import COMMANDS, EPILOGUE, ON_CONNECTIONS
from ._loop import run_loop
from ._options import Common
from ._output import is_stuck
from ._session import key_read_ahead
from ._streams import let_go

__all__ = ["app", "run"]

_HERE = __name__.rpartition(".")[0]

app = App(
    name="aiochargebee-gw",
    help="Chargebee behind the Maton gateway: look, call, export.",
    help_epilogue=EPILOGUE,
    version=__version__,
    default_parameter=Parameter(negative=(), show_default=False),
    help_format="plaintext",
)
_connections = App(name="connections", help="The account's connections to Chargebee sites.")

for _name, _help in COMMANDS.items():
    app.command(f"{_HERE}._{_name}:command", name=_name, help=_help)
for _name, _help in ON_CONNECTIONS.items():
    _connections.command(f"{_HERE}._connections:{_name}_", name=_name, help=_help)
app.command(_connections)


def run(argv: Sequence[str]) -> int:
    """Run one command. Whatever goes wrong becomes a line on stderr and an exit code."""
    as_json = "--json" in argv
    try:
        code = _dispatch(argv)
        if is_stuck():
            # After a signal, with a write that nobody takes: the interpreter would wait for it when it ends.
            os._exit(code)
        sys.stdout.flush()
    except BrokenPipeError:
        let_go()
        return 141
    except KeyboardInterrupt:
        return 130
    except CycloptsError as error:
        return report(RequestError(_usage(error, argv)), as_json=as_json)
    except Exception as error:
        if os.environ.get("AIOCHARGEBEE_GW_DEBUG"):
            raise
        code = report(error, as_json=as_json)
        _flush()
    return code


def _flush() -> None:
    try:
        sys.stdout.flush()
    except OSError:  # a full disk, perhaps what has been reported
        let_go()


def _dispatch(argv: Sequence[str]) -> int:
    command, bound, _ = app.parse_args(list(argv), exit_on_error=False, print_error=False)
    # What it reads from stdin it reads now: a signal cannot end a read inside of the loop.
    result = command(*bound.args, **bound.kwargs)
    if inspect.iscoroutine(result):
        try:
            with key_read_ahead(bound.arguments.get("common", Common())):
                result = run_loop(result)
        finally:
            if inspect.iscoroutine(result):
                result.close()
    return result if isinstance(result, int) else 0


def _usage(error: CycloptsError, argv: Sequence[str]) -> str:
    """What is wrong, without what may be a key: `--api-key=...` is no option, and `list customers KEY` too much."""
    if isinstance(error, UnusedCliTokensError):
        return f"{len(error.unused_tokens or ())} more than this command takes; see --help"
    text = str(error)
    for token in sorted((token for token in argv if token.startswith("-")), key=len, reverse=True):
        name, sign, value = token.partition("=")
        # `-kKEY` is the short form of `-k=KEY`.
        text = text.replace(token, name if token.startswith("--") else token[:2])
        text = text.replace(f'"{value}"', '"..."') if sign else text
    return text
