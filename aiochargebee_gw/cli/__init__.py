"""The command line: `aiochargebee-gw` and `python -m aiochargebee_gw`.

Data goes to stdout, everything else to stderr. Exit codes: 0 done; 1 an error; 2 wrong usage or configuration; 3 a part
is done and can be resumed; 4 the key or the connection is missing or refused; 5 a rate limit or a deadline; 6 there are
differences; 130 interrupted (129 and 143: hung up, terminated; 141: nobody reads stdout any more).

It needs the extra `cli`; nothing of it is imported before a command runs.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from .._version import __version__

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. *argv* are the arguments without the program's name."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments == ["--version"]:
        sys.stdout.write(f"{__version__}\n")
        return 0
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
