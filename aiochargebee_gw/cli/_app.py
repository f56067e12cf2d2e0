"""The commands, and the one place that turns what they raise into an exit code."""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError, Parameter, UnknownOptionError

from .._version import __version__
from ..errors import RequestError
from ._failures import report
from ._help import COMMANDS, EPILOGUE, ON_CONNECTIONS
from ._loop import run_loop

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
        sys.stdout.flush()
    except BrokenPipeError:
        return _nobody_reads()
    except KeyboardInterrupt:
        return 130
    except CycloptsError as error:
        return report(RequestError(_usage(error)), as_json=as_json)
    except Exception as error:
        if os.environ.get("AIOCHARGEBEE_GW_DEBUG"):
            raise
        return report(error, as_json=as_json)
    return code


def _dispatch(argv: Sequence[str]) -> int:
    command, bound, _ = app.parse_args(list(argv), exit_on_error=False, print_error=False)
    result = command(*bound.args, **bound.kwargs)
    if inspect.iscoroutine(result):
        result = run_loop(result)
    return result if isinstance(result, int) else 0


def _usage(error: CycloptsError) -> str:
    text = str(error)
    if isinstance(error, UnknownOptionError):
        # `--api-key=...` is such an option; what stands behind the sign is not to be shown.
        name, sign, value = (error.token.keyword or error.token.value).partition("=")
        text = text.replace(f"{name}{sign}{value}", name)
    return text


def _nobody_reads() -> int:
    # The interpreter flushes stdout once more when it ends.
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 141
