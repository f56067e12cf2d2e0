"""One Chargebee site: a call goes in, an answer comes out, nothing waits."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from random import Random

from aiochargebee_gw.sandbox import _routes
from aiochargebee_gw.sandbox._desk import Desk
from aiochargebee_gw.sandbox._idempotency import IdempotencyKeys
from aiochargebee_gw.sandbox._life import agenda, rows
from aiochargebee_gw.sandbox._messages import Answer, Call
from aiochargebee_gw.sandbox._problems import (
    Problem,
    no_such_call,
    site_rate_exceeded,
    too_large,
    wrong_catalog,
    wrong_verb,
)
from aiochargebee_gw.sandbox._site_time import SiteTime
from aiochargebee_gw.sandbox._store import Store
from aiochargebee_gw.sandbox._window import Window

# Estimates change nothing: https://apidocs.chargebee.com/docs/api/idempotency leaves them out.
_ESTIMATE = re.compile(r"/estimates/|/[^/]+/[^/]+/\w+_estimate\Z|/(?:purchases|unbilled_charges)/\w*estimate\Z")
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
        travels: Callable[[], int] = lambda: 0,
    ) -> None:
        ids = Random(f"aiochargebee-gw ids {seed}")  # noqa: S311 - not for secrecy: the same seed gives the same ids
        time = SiteTime(now, store)
        self.desk = Desk(store, time.now, origin, ids, strict, opened=time.now(), time=time, catalog=catalog)
        self._travels, self._travelled = travels, travels()
        self._catalog = catalog
        self.keys = IdempotencyKeys()
        self._window = Window(rate, 60.0) if rate is not None else None

    def catch_up(self) -> None:
        """Do what has fallen due by now. A clock that was moved by ``travel`` sets the seeded business going."""
        if self._travels() != self._travelled:
            self._travelled = self._travels()
            rows.enrol_all(self.desk)
        agenda.catch_up(self.desk)

    def answer(self, call: Call) -> Answer:
        """Answer one call; errors are answers too."""
        try:
            self._admit()
            self.catch_up()
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
        key = call.idempotency_key if call.method == "POST" and not _ESTIMATE.match(call.path) else None
        if not key:
            return self._perform(call)
        replayed = self.keys.replay(key, call, self.desk.now())
        if replayed is not None:
            return replayed
        answer = self._perform(call)
        self.keys.keep(key, call, answer, self.desk.now())
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
