"""How far an export or a mirror has come, as plain values that a journal keeps: pure."""

from __future__ import annotations

from typing import Any, Literal

import attrs
import msgspec

__all__ = ["MARGIN", "ListState", "PassKind", "PassState", "Published", "decode_state", "encode_state"]

MARGIN = 600
"""Seconds by which a pass for changes begins before the one that it follows: twice those for which lists may lag."""

PassKind = Literal["full", "changes", "created"]


@attrs.define(kw_only=True)
class PassState:
    """One pass over a list.

    `low` is the Unix second from which on it asks for rows (None: for all), `began` the server's clock at its first
    page, `cursor` where it goes on: a plain JSON value. It is `done` with its last page, and is kept as that together
    with its rows: a cursor of None alone is that of the beginning. `rows` were read, `added` of them new and `changed`
    newer than what was known, `deleted` flagged so. `last` is the highest sort value that was read. `restarts` counts
    cursors that the server refused, and `rest` is the sort value from which on the pass went on then.
    """

    kind: PassKind
    low: int | None = None
    began: int | None = None
    ended: int | None = None
    cursor: Any = None
    done: bool = False
    pages: int = 0
    rows: int = 0
    added: int = 0
    changed: int = 0
    deleted: int = 0
    last: int | None = None
    restarts: int = 0
    rest: int | None = None


@attrs.define(kw_only=True)
class Published:
    """An output that has, or is about to have, its name. *deleted* says that deleted rows were asked for."""

    rows: int
    bytes: int
    sha256: str
    deleted: bool = False


@attrs.define(kw_only=True)
class ListState:
    """Everything about one list.

    `passes` are those of the last run. It reads the list ("full") or only what has changed ("changes"), and is
    `finished` or will be gone on with. `watermark` is the second from which the next run of a mirror asks for changes.
    `generation` numbers the full passes: a record that the last one has not shown is gone. `unnamed` says that there
    are records without an id, `split` that several parts of the list were read at once. `part` is the name of the file
    that is being written, `published` what has its name.
    """

    query: str
    fingerprint: str
    mode: Literal["full", "changes"] = "full"
    finished: bool = False
    generation: int = 1
    passes: list[PassState] = attrs.field(factory=list)
    watermark: int | None = None
    unnamed: bool = False
    split: bool = False
    part: str | None = None
    published: Published | None = None
    requests: int = 0
    seconds: float = 0.0

    @property
    def is_first_pass(self) -> bool:
        """Whether nothing was known before the pass that is under way."""
        return self.generation == 1 and self.passes[-1].kind == "full"

    def has(self, kind: PassKind) -> bool:
        """Whether a pass of that kind is done."""
        return any(one.kind == kind and one.done for one in self.passes)

    @property
    def known(self) -> int:
        """How many records were found, deleted ones among them."""
        return sum(one.added for one in self.passes)

    @property
    def as_of(self) -> int | None:
        """When the last pass began that has seen all changes, on the server's clock."""
        return next((one.began for one in reversed(self.passes) if one.kind != "created"), None)

    def finish(self) -> None:
        """All passes are done: what comes next is another run.

        It begins where a full pass began, for nobody has asked yet for rows that came behind its windows and have no
        `updated_at`.
        """
        whole = next((one.began for one in self.passes if one.kind == "full"), None)
        begin = self.as_of if whole is None else whole
        self.watermark, self.finished = max(0, (begin or 0) - MARGIN), True

    def snapshot(self) -> ListState:
        """As it is now, for another thread: the pass that is under way goes on."""
        return attrs.evolve(self, passes=[*self.passes[:-1], *map(attrs.evolve, self.passes[-1:])])


_decoder = msgspec.json.Decoder(ListState)


def encode_state(state: ListState) -> str:
    """As it is kept."""
    return msgspec.json.encode(state).decode()


def decode_state(text: str) -> ListState:
    """What `encode_state` made. Raises `ValueError`."""
    return _decoder.decode(text)
