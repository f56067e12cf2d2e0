"""The command line: `aiochargebee-gw` and `python -m aiochargebee_gw`.

Data goes to stdout, everything else to stderr. Exit codes: 0 done; 1 an error; 2 wrong usage or configuration (a key
file that is empty or cannot be read, too); 3 a part is done and can be resumed; 4 the key or the connection is missing,
unknown or refused; 5 a rate limit or a deadline; 6 there are differences; 130 interrupted (129 and 143: hung up,
terminated; 141: nobody reads stdout any more). A second signal ends a command that does not end by the first.

It needs the extra `cli`; nothing of it is imported before a command runs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from .._version import __version__
from ._streams import let_go, prepare

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. *argv* are the arguments without the program's name."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    prepare()
    if arguments == ["--version"]:
        return _version()
    try:
        from ._app import run
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("cyclopts", "rich"):
            raise
        sys.stderr.write("the command line needs an extra: pip install 'aiochargebee-gw[cli]'\n")
        return 2
    except KeyboardInterrupt:
        return 130
    return run(arguments)


def _version() -> int:
    try:
        sys.stdout.write(f"{__version__}\n")
        sys.stdout.flush()
    except OSError as error:
        let_go()
        if isinstance(error, BrokenPipeError):
            return 141
        sys.stderr.write(f"error: {error.strerror}\n")
        return 1
    return 0
