"""Source text: literals and bracketed lists, filled to 120 columns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

__all__ = ["WIDTH", "bracketed", "chained", "comment", "declared", "docstring", "imported", "literal", "quoted"]

WIDTH = 120
Literal: TypeAlias = "str | bool | Sequence[Any] | Mapping[str, Any]"


def quoted(text: str) -> str:
    """A string literal."""
    return json.dumps(text)


def literal(value: Any, indent: int = 0, used: int = 0, tail: int = 1) -> str:
    """A literal of nested dicts, lists, tuples, strings and booleans.

    *indent* is the column that its closing bracket may stand in, *used* what its first line already holds, *tail* what
    must still fit behind it.
    """
    flat = _flat(value)
    if used + len(flat) + tail <= WIDTH or isinstance(value, str | bool | None):
        return flat
    opening, closing = ("{", "}") if isinstance(value, Mapping) else ("[", "]") if isinstance(value, list) else "()"
    inner = indent + 4
    if isinstance(value, Mapping):
        items = [f"{quoted(key)}: " + literal(item, inner, inner + len(key) + 4) for key, item in value.items()]
    else:
        items = [literal(item, inner, inner) for item in value]
    return opening + "\n" + _fill(items, inner) + "\n" + " " * indent + closing


def _flat(value: Any) -> str:
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{quoted(key)}: {_flat(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flat, value)) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(_flat, value)) + ("," if len(value) == 1 else "") + ")"
    return repr(value)


def _fill(items: Iterable[str], indent: int) -> str:
    """Items with commas, as many on a line as fit; one of several lines stands alone."""
    lines: list[str] = []
    line = ""
    for item in items:
        alone = "\n" in item
        if line and (alone or len(line) + len(item) + 2 > WIDTH):
            lines.append(line)
            line = ""
        line = f"{line} {item}," if line else " " * indent + item + ","
        if alone:
            lines.append(line)
            line = ""
    return "\n".join([*lines, line] if line else lines)


def bracketed(head: str, items: Sequence[str], foot: str, indent: int = 0) -> str:
    """`head(items)foot`: on one line where it fits, else the items filled on lines of their own."""
    pad = " " * indent
    flat = pad + head + ", ".join(items) + foot
    if len(flat) <= WIDTH and "\n" not in flat:
        return flat
    return f"{pad}{head}\n{_fill(items, indent + 4)}\n{pad}{foot}"


def chained(targets: Sequence[str], value: str, indent: int) -> str:
    """`a = b = value`, in as many statements as the width asks for."""
    lines: list[str] = []
    line = ""
    for target in targets:
        if line and indent + len(line) + len(target) + len(value) + 6 > WIDTH:
            lines.append(line + value)
            line = ""
        line += f"{target} = "
    lines.append(line + value)
    return "\n".join(" " * indent + line for line in lines)


def imported(module: str, names: Iterable[str], indent: int = 0) -> str:
    """`from module import names`, sorted as ruff does: constants, classes, the rest."""
    ordered = sorted(set(names), key=_import_key)
    pad = " " * indent
    flat = f"{pad}from {module} import {', '.join(ordered)}"
    if len(flat) <= WIDTH:
        return flat
    return "\n".join([f"{pad}from {module} import (", *(f"{pad}    {name}," for name in ordered), f"{pad})"])


def _import_key(name: str) -> tuple[int, list[tuple[int, str, int]]]:
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    # Natural order, case ignored: Line2 comes before line10.
    parts = re.findall(r"\d+|\D+", name.lower())
    return kind, [(0, "", int(part)) if part.isdigit() else (1, part, 0) for part in parts]


def docstring(paragraphs: Sequence[str], indent: int) -> str:
    """A docstring: one line where it fits, else the first paragraph, a blank line and the others, filled.

    Paragraphs that start with "- " are items of a list, without blank lines before them.
    """
    pad = " " * indent
    flat = f'{pad}"""{paragraphs[0]}"""'
    if len(paragraphs) == 1 and len(flat) <= WIDTH:
        return flat
    lines: list[str] = []
    for paragraph, following in zip(paragraphs, [*paragraphs[1:], ""], strict=True):
        lines += [*_wrap(paragraph, indent), *([] if following.startswith("- ") else [""])]
    body = "\n".join(lines).rstrip().removeprefix(pad)
    return f'{pad}"""{body}\n{pad}"""'


def _wrap(paragraph: str, indent: int) -> list[str]:
    lines: list[str] = []
    line = ""
    for word in paragraph.split():
        room = WIDTH - indent - (3 if not lines else 0)
        if line and len(line) + 1 + len(word) > room:
            lines.append(" " * indent + line)
            line = f"  {word}" if paragraph.startswith("- ") else word
        else:
            line = f"{line} {word}" if line else word
    return [*lines, " " * indent + line]


def declared(name: str, annotation: str, default: str = "") -> str:
    """An attribute of a class."""
    flat = f"    {name}: {annotation}{default}"
    return flat if len(flat) <= WIDTH else f"    {name}: (\n        {annotation}\n    ){default}"


def comment(line: str, text: str) -> str:
    """*line* with a comment behind it, if both fit."""
    full = f"{line}  # {text}"
    return full if text and "\n" not in line and len(full) <= WIDTH else line
