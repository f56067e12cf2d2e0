"""The checks of `doctor` as they are made: a line each, or one JSON object at the end."""

from __future__ import annotations

import sys
from typing import Literal

import attrs

from ._failures import exit_code, explain
from ._options import Common
from ._output import dump, emit, emit_text

__all__ = ["Check", "Checks"]

_WORST_FIRST = (4, 5, 2, 1)
_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


@attrs.frozen
class Check:
    """What was looked at, what was found, and what helps. `code` is the exit code of a failure."""

    name: str
    level: Literal["ok", "warn", "fail"]
    detail: str
    cure: str | None = None
    code: int = attrs.field(default=0, kw_only=True)


class Checks:
    """Takes one check after another. `idempotency` is what they found out about the idempotency key."""

    def __init__(self, common: Common) -> None:
        self._common = common
        self._made: list[Check] = []
        self.idempotency: Literal["verified", "unverified"] = "unverified"

    def tell(self, check: Check) -> None:
        """A check was made."""
        self._made.append(check)
        if not self._common.json:
            _show(check)

    def fail(self, name: str, error: Exception) -> None:
        """A check ended with *error*."""
        detail, cure = explain(error)
        self.tell(Check(name, "fail", detail, cure, code=exit_code(error)))

    def passed(self, name: str) -> bool:
        """Whether the check of that name was made, and did not fail."""
        return any(check.name == name and check.level != "fail" for check in self._made)

    def end(self) -> int:
        """The exit code, after the JSON object where one is wanted."""
        codes = {check.code for check in self._made if check.level == "fail"}
        if self._common.json:
            shown = [attrs.asdict(check, filter=attrs.filters.exclude("code")) for check in self._made]
            emit([dump({"ok": not codes, "idempotency": self.idempotency, "checks": shown})])
        return next((code for code in _WORST_FIRST if code in codes), 0)


def _show(check: Check) -> None:
    from rich.console import Console
    from rich.text import Text

    line = Text.assemble((f"{check.level:<5}", _STYLES[check.level]), f"{check.name:<10} {check.detail}")
    if check.cure:
        line.append(f"; {check.cure}")
    console = Console(file=sys.stdout, soft_wrap=True, highlight=False)
    with console.capture() as shown:
        console.print(line)
    emit_text(shown.get())
