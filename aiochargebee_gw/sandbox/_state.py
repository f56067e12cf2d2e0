"""Everything that a sandbox remembers: its account, its sites, and the file that keeps them where there is one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Protocol, runtime_checkable

from attrs import define, field

from aiochargebee_gw.sandbox import _snapshot
from aiochargebee_gw.sandbox._account import CHARGEBEE, Account
from aiochargebee_gw.sandbox._file import SiteFile
from aiochargebee_gw.sandbox._json import JsonObject
from aiochargebee_gw.sandbox._seed.world import seeded_store
from aiochargebee_gw.sandbox._site import Site
from aiochargebee_gw.sandbox._store import Store
from aiochargebee_gw.sandbox.clock import SEED_EPOCH, Clock


@runtime_checkable
class _Ahead(Protocol):
    """A clock that runs ahead of another by so many seconds."""

    offset: float


def _nobody_asks() -> None:
    """What is called before the doors are there."""


@define
class State:
    """``clock`` and ``origin`` are asked anew each time, since both may change.

    ``woken`` is called when a webhook is to be posted, ``changed`` when there is another account. A clock that travels
    has its ``offset`` kept (seconds).
    """

    records: int
    seed: int
    catalog: str
    strict: bool
    rate: int | None
    clock: Callable[[], Clock]
    origin: Callable[[], str]
    woken: Callable[[], None]
    file: SiteFile | None
    changed: Callable[[], None] = _nobody_asks
    account: Account = field(init=False)
    primary: str = field(init=False)
    _offset: float = field(init=False)
    _openings: int = field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        self._offset = self._clock_offset()
        self.account, self.primary = self._new_account()
        if self.file is not None:
            self._open(self.file)

    def site(self) -> Site:
        """The first connection's site, which is made, or read from the file, when it is first needed."""
        if self.file is not None and not self.file.is_open:
            self._open(self.file)
        if self.primary not in self.account.sites:
            self.account.sites[self.primary] = self._new_site(self.primary, self._seeded(self.records))
        site = self.account.sites[self.primary]
        site.catch_up()
        return site

    def catch_up(self) -> None:
        """Let all that has fallen due happen on every site."""
        self.site()
        for site in self.account.sites.values():
            site.catch_up()
        self.save()

    def reset(self) -> None:
        """A new account with the seeded site; the clock is where it was at the start."""
        if self.file is not None:
            self._replace(self._first())
            return
        self._end_sites()
        self._set_clock(self._offset)
        self.account, self.primary = self._new_account()
        self.changed()

    def snapshot(self) -> bytes:
        """All of it."""
        self.site()
        return _snapshot.taken(self.account, self.primary, self._described())

    def restore(self, image: bytes) -> None:
        """All of it from a snapshot; raises ``ValueError`` for bytes that are none of a sandbox like this one."""
        _snapshot.check_whole(image)
        self.site()
        with _snapshot.opened(image) as db:
            _snapshot.check(db, "the snapshot", seed=self.seed, catalog=self.catalog)
        self._replace(image)

    def reseed(self, records: int) -> None:
        """So many seeded customers in the place of all rows of the first site."""
        old = self.site()
        self.account.sites[self.primary] = self._new_site(self.primary, self._seeded(records))
        if self.file is not None:
            self._replace(_snapshot.taken(self.account, self.primary, self._described()))
        else:
            old.desk.store.close()

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """One transaction around a change and what belongs to it, where there is a file."""
        if self.file is None:
            yield
            return
        with self.site().desk.store.atomic():
            yield
            self.save()

    def save(self) -> None:
        """Write what is not rows into the file, where there is one and it is open."""
        if self.file is not None and self.file.is_open:
            self.file.save(self.account, self.primary, self._described())

    def close(self) -> None:
        """Let go of the file; it is opened again when it is needed."""
        if self.file is not None and self.file.is_open:
            self.save()
            self._end_sites()
            self.file.close()

    def _open(self, file: SiteFile) -> None:
        known = file.open(self._first)
        self._load(file)
        if known:
            self._openings += 1
            self.account.ids = self._random(f"account {self.seed} opened {self._openings}")
            for connection, site in self.account.sites.items():
                # A process that was killed may not have told where its ids stood: these are of another sequence.
                site.desk.ids = self._random(f"ids {connection} opened {self._openings}")

    def _replace(self, image: bytes) -> None:
        self._end_sites()
        if self.file is None:
            with _snapshot.opened(image) as db:
                self._load_from(db, Store(image=image))
                _snapshot.load_sequences(db, self.account)
        else:
            self.file.replace(image)
            self._load(self.file)
        self.woken()

    def _load(self, file: SiteFile) -> None:
        self._load_from(file.db, file.store)
        _snapshot.load_sequences(file.db, self.account)

    def _load_from(self, db: sqlite3.Connection, store: Store) -> None:
        state = _snapshot.check(db, "the snapshot", seed=self.seed, catalog=self.catalog)
        self._openings = state["openings"]
        self._set_clock(state["offset"])
        self.account, _ = self._new_account()
        self.primary = _snapshot.load_account(self.account, state)
        stores = {self.primary: store}
        stores.update((connection, Store(image=image)) for connection, image in _snapshot.images(db).items())
        for connection, one in stores.items():
            site = self.account.sites[connection] = self._new_site(connection, one)
            _snapshot.load_site(db, site, connection, state)
        self.changed()

    def _first(self) -> bytes:
        """What a new file holds."""
        account, primary = self._new_account()
        account.sites[primary] = self._new_site(primary, self._seeded(self.records))
        return _snapshot.taken(account, primary, self._description(account, primary, self._offset))

    def _described(self) -> JsonObject:
        return self._description(self.account, self.primary, self._clock_offset())

    def _description(self, account: Account, primary: str, offset: float) -> JsonObject:
        state = _snapshot.state_of(account, primary)
        return {**state, "seed": self.seed, "catalog": self.catalog, "offset": offset, "openings": self._openings}

    def _end_sites(self) -> None:
        for site in self.account.sites.values():
            if self.file is None or not self.file.is_open or site.desk.store is not self.file.store:
                site.desk.store.close()
        self.account.sites.clear()

    def _clock_offset(self) -> float:
        clock = self.clock()
        return clock.offset if isinstance(clock, _Ahead) else 0.0

    def _set_clock(self, offset: float) -> None:
        clock = self.clock()
        if isinstance(clock, _Ahead):
            clock.offset = offset

    def _random(self, what: str) -> Random:
        return Random(f"aiochargebee-gw {what}")  # noqa: S311 - not for secrecy: the same seed, the same ids and key

    def _new_account(self) -> tuple[Account, str]:
        random = self._random(f"account {self.seed}")
        account = Account(
            f"sandbox_{random.getrandbits(128):032x}",
            lambda: self.clock().now(),
            self.origin,
            random,
            lambda connection: self._new_site(connection, self._seeded(0)),
        )
        return account, account.connect(CHARGEBEE, "API_KEY", status="ACTIVE", at=SEED_EPOCH).id

    def _seeded(self, records: int) -> Store:
        return seeded_store(records, self.seed, self.catalog)

    def _new_site(self, connection: str, store: Store) -> Site:
        site = Site(
            store,
            now=lambda: self.clock().now(),
            origin=self.origin,
            seed=f"{self.seed} {connection}",
            catalog=self.catalog,
            strict=self.strict,
            rate=self.rate,
            travels=lambda: getattr(self.clock(), "travels", 0),
        )
        site.desk.outbox.woken = self.woken
        return site
