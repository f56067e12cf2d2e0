"""One Chargebee site: a call goes in, an answer comes out, nothing waits."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

from aiochargebee_gw.sandbox import _routes
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._idempotency import IdempotencyKeys
from aiochargebee_gw.sandbox._messages import Answer, Call
from aiochargebee_gw.sandbox._problems import (
    Problem,
    no_such_call,
    site_rate_exceeded,
    too_large,
    wrong_catalog,
    wrong_verb,
)
from aiochargebee_gw.sandbox._store import Store
from aiochargebee_gw.sandbox._window import Window

_OTHER_CATALOG = {"pc2": "pc2_to_pc1_error", "pc1": "pc1_to_pc2_error"}


class Site:
    """A site with its rows, its Product Catalog and its idempotency keys."""

    def __init__(
        self,
        store: Store,
        *,
        now: Callable[[], float],
        origin: Callable[[], str],
        seed: str,
        catalog: str = "pc2",
        strict: bool = False,
        rate: int | None = None,
    ) -> None:
        ids = Random(f"aiochargebee-gw ids {seed}")  # noqa: S311 - not for secrecy: the same seed gives the same ids
        self.desk = Desk(store, now, origin, ids, strict)
        self._catalog = catalog
        self._keys = IdempotencyKeys()
        self._window = Window(rate, 60.0) if rate is not None else None

    def answer(self, call: Call) -> Answer:
        """Answer one call; errors are answers too."""
        try:
            self._admit()
            if call.oversized:
                raise too_large()
            return self._idempotent(call)
        except Problem as problem:
            return problem.answer()

    def _admit(self) -> None:
        if self._window is not None:
            wait = self._window.admit(self.desk.now())
            if wait > 0:
                raise site_rate_exceeded(max(1, math.ceil(wait)))

    def _idempotent(self, call: Call) -> Answer:
        key = call.idempotency_key if call.method == "POST" else None
        if not key:
            return self._perform(call)
        replayed = self._keys.replay(key, call, self.desk.now())
        if replayed is not None:
            return replayed
        answer = self._perform(call)
        self._keys.keep(key, call, answer, self.desk.now())
        return answer

    def _perform(self, call: Call) -> Answer:
        try:
            route, id = self._route(call)
            return Answer(200, route.handler(self.desk, call, id))
        except Problem as problem:
            return problem.answer()

    def _route(self, call: Call) -> tuple[_routes.Route, str]:
        if call.method not in ("GET", "POST"):
            raise wrong_verb(call.method)
        found = _routes.find(call.method, call.segments)
        if found is None:
            raise wrong_verb(call.method) if _routes.known_path(call.segments) else no_such_call(call.path)
        route, id = found
        if route.catalog is not None and self._catalog not in (route.catalog, "both"):
            raise wrong_catalog(_OTHER_CATALOG[self._catalog])
        return route, id
