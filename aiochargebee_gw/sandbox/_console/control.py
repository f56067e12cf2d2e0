"""``/_sandbox/...``: the test's hands on the sandbox, as JSON, for the console's page and for suites in any language.

``GET state`` · ``GET requests?after=n`` · ``GET objects/{kind}?after=row`` · ``GET objects/{kind}/{id}`` ·
``GET|POST|DELETE faults`` · ``DELETE faults/{number}`` · ``POST clock`` (``days``, ``seconds`` or ``to``) ·
``POST connections`` · ``POST seed`` (``records``, and rows by resource in the plural) · ``POST reset`` ·
``POST snapshot`` and ``POST restore`` (``name``; kept in the sandbox) · ``GET snapshot`` (the bytes, for a file).
No key is asked for: the sandbox listens on loopback, its data is made up, and another site's page cannot send what is
refused here without a JSON content type or with a foreign ``Origin``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from attrs import define, field

from aiochargebee_gw.sandbox._account import CHARGEBEE, Account
from aiochargebee_gw.sandbox._console.face import page
from aiochargebee_gw.sandbox._form import first_values
from aiochargebee_gw.sandbox._json import JsonObject, decode_object, encode
from aiochargebee_gw.sandbox._kinds import KINDS
from aiochargebee_gw.sandbox._messages import Answer, Call, RecordedRequest
from aiochargebee_gw.sandbox._site import Site
from aiochargebee_gw.sandbox.faults import Fault, Faults, details_of, needs

__all__ = ["Console", "Held"]

_ROWS = 50
_SHOWN_BYTES = 20_000
_SNAPSHOTS = 20
_NAME_LENGTH = 200
_SECRET = ("authorization", "cookie")
_FAULT_KEYS = ("kind", "path", "method", "nth", "times", "share")


class Held(Protocol):
    """The sandbox, as far as the console moves it."""

    @property
    def requests(self) -> list[RecordedRequest]: ...

    @property
    def url(self) -> str: ...

    @property
    def travels(self) -> bool: ...

    def now(self) -> float: ...

    async def travel(self, *, days: float = 0, seconds: float = 0, to: float | None = None) -> float: ...

    def reset(self) -> None: ...

    def snapshot(self) -> bytes: ...

    def restore(self, snapshot: bytes) -> None: ...

    def seed(self, *, records: int | None = None, **rows: Iterable[JsonObject]) -> dict[str, list[JsonObject]]: ...


class Refused(Exception):
    """What was asked for cannot be done; ``status`` and the text say why."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@define
class Console:
    """The console of one sandbox."""

    sandbox: Held
    faults: Faults
    _snapshots: dict[str, bytes] = field(factory=dict)

    async def answer(self, account: Account, site: Site, call: Call) -> Answer:
        """Answer a call below ``/_sandbox``."""
        try:
            match call.method, call.segments[1:]:
                case "GET", () | ("",):
                    return page()
                case "GET", ("snapshot",):
                    headers = {"Content-Disposition": 'attachment; filename="sandbox.db"', "Cache-Control": "no-store"}
                    return Answer(200, self.sandbox.snapshot(), headers, "application/vnd.sqlite3")
                case "GET", parts:
                    return _json(200, self._read(account, site, call, parts))
                case "POST" | "DELETE", parts:
                    self._check_sender(call)
                    return _json(200, await self._write(account, call, parts))
            raise Refused(405, f"{call.method} is not supported here")
        except Refused as refused:
            return _json(refused.status, {"error": str(refused)})

    def _read(self, account: Account, site: Site, call: Call, parts: tuple[str, ...]) -> JsonObject:
        wanted = first_values(call.query)
        match parts:
            case ("state",):
                return self._state(account, site)
            case ("requests",):
                return self._requests(_whole(wanted.get("after", "0"), "after"))
            case ("faults",):
                return {"faults": self._faults(), "kinds": details_of()}
            case ("objects", kind):
                return self._objects(site, kind, _whole(wanted.get("after", "0"), "after"))
            case ("objects", kind, id):
                _check_kind(kind)
                found = site.desk.store.get(kind, id)
                if found is None:
                    raise Refused(404, f"there is no {kind} with this id")
                return found
        raise Refused(404, "there is nothing here")

    async def _write(self, account: Account, call: Call, parts: tuple[str, ...]) -> JsonObject:
        match call.method, parts:
            case "POST", ("faults",):
                return self._add(_object(call))
            case "DELETE", ("faults",):
                self.faults.clear()
                return {}
            case "DELETE", ("faults", number):
                return self._remove(_whole(number, "the number"))
            case "POST", ("clock",):
                return await self._travel(_object(call))
            case "POST", ("connections",):
                return {"connection": account.shown(account.connect(CHARGEBEE, "OAUTH2"))}
            case "POST", ("reset" | "seed" | "snapshot" | "restore" as what,):
                return self._hold(what, _object(call))
        raise Refused(404, "there is nothing here")

    def _hold(self, what: str, sent: JsonObject) -> JsonObject:
        match what:
            case "reset":
                self.sandbox.reset()
            case "seed":
                return self._seed(sent)
            case "snapshot":
                self._keep(_name(sent))
            case "restore":
                found = self._snapshots.get(_name(sent))
                if found is None:
                    raise Refused(404, "there is no snapshot of this name")
                self.sandbox.restore(found)
        return {}

    def _keep(self, name: str) -> None:
        if len(self._snapshots) >= _SNAPSHOTS and name not in self._snapshots:
            raise Refused(409, f"the sandbox keeps {_SNAPSHOTS} snapshots; use one of their names")
        self._snapshots[name] = self.sandbox.snapshot()

    def _seed(self, sent: JsonObject) -> JsonObject:
        records = sent.pop("records", None)
        if records is not None and (not isinstance(records, int) or isinstance(records, bool)):
            raise Refused(400, "records must be a whole number")
        if any(not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows) for rows in sent.values()):
            raise Refused(400, "rows come as lists of JSON objects, by resource in the plural")
        try:
            return {**self.sandbox.seed(records=records, **sent)}
        except (ValueError, TypeError) as error:
            raise Refused(400, str(error)) from error

    def _check_sender(self, call: Call) -> None:
        origin = call.headers.get("Origin")
        if origin is not None and origin != self.sandbox.url:
            raise Refused(403, "this was sent by a page of another site")
        if call.headers.get("Content-Type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refused(415, "send application/json")

    def _state(self, account: Account, site: Site) -> JsonObject:
        counts = site.desk.store.counts()
        return {
            "url": self.sandbox.url,
            "now": self.sandbox.now(),
            "travels": self.sandbox.travels,
            "connections": [account.shown(one) for one in account.connections.values()],
            "versions": site.desk.store.changes,
            "objects": {kind: counts.get(kind, 0) for kind in KINDS},
            "snapshots": sorted(self._snapshots),
            "webhooks_waiting": sum(len(one.desk.outbox.waiting) for one in account.sites.values()),
            "faults": self._faults(),
            "fault_kinds": details_of(),
            "fault_needs": needs(),
            "requests": len(self.sandbox.requests),
        }

    def _requests(self, after: int) -> JsonObject:
        kept = [one for one in self.sandbox.requests if one.door != "console"]
        return {"total": len(kept), "requests": [_shown(one) for one in kept[after:]]}

    def _objects(self, site: Site, kind: str, after: int) -> JsonObject:
        _check_kind(kind)
        hits = site.desk.store.newest(kind, before=after or None, many=_ROWS + 1)
        rows = [decode_object(hit.body) for hit in hits[:_ROWS]]
        key = KINDS[kind].key
        return {
            "rows": [{"id": row.get(key), **row} for row in rows],
            "next": hits[_ROWS - 1].row if len(hits) > _ROWS else None,
        }

    def _faults(self) -> list[JsonObject]:
        return [_described(fault) for fault in self.faults]

    def _add(self, sent: JsonObject) -> JsonObject:
        kind = sent.get("kind")
        if not isinstance(kind, str):
            raise Refused(400, "a fault needs a kind")
        rules: dict[str, Any] = {name: sent[name] for name in _FAULT_KEYS if name in sent and name != "kind"}
        details = {name: value for name, value in sent.items() if name not in _FAULT_KEYS}
        try:
            return _described(self.faults.add(kind, **rules, **details))
        except (ValueError, TypeError) as error:
            raise Refused(400, str(error)) from error

    def _remove(self, number: int) -> JsonObject:
        for fault in self.faults:
            if fault.number == number:
                self.faults.remove(fault)
                return {}
        raise Refused(404, "there is no such fault")

    async def _travel(self, sent: JsonObject) -> JsonObject:
        if unknown := set(sent) - {"days", "seconds", "to"}:
            raise Refused(400, f"the clock takes days, seconds or to, not {min(unknown)}")
        if not self.sandbox.travels:
            raise Refused(409, "this sandbox runs on a clock of the test's own")
        if any(isinstance(value, bool) or not isinstance(value, int | float) for value in sent.values()):
            raise Refused(400, "the clock takes numbers")
        try:
            return {"now": await self.sandbox.travel(**sent)}
        except ValueError as error:
            raise Refused(400, str(error)) from error


def _json(status: int, value: JsonObject) -> Answer:
    return Answer(status, encode(value), {"Cache-Control": "no-store"}, "application/json")


def _object(call: Call) -> JsonObject:
    try:
        return decode_object(call.body or b"{}")
    except ValueError:
        raise Refused(400, "the body must be a JSON object") from None


def _whole(text: str, name: str) -> int:
    if not text.isdecimal() or len(text) > 15:
        raise Refused(400, f"{name} must be a whole number")
    return int(text)


def _name(sent: JsonObject) -> str:
    name = sent.get("name", "default")
    if not isinstance(name, str) or not 0 < len(name) <= _NAME_LENGTH:
        raise Refused(400, "a snapshot's name is a text")
    return name


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise Refused(404, f"the sandbox keeps no {kind}")


def _described(fault: Fault) -> JsonObject:
    return {
        "number": fault.number,
        "kind": fault.kind,
        "path": fault.path,
        "method": fault.method,
        "nth": fault.nth,
        "times": fault.times,
        "share": fault.share,
        "fired": fault.fired,
        "details": {name: str(value) if isinstance(value, bytes) else value for name, value in fault.details.items()},
    }


def _shown(one: RecordedRequest) -> JsonObject:
    return {
        "at": one.at,
        "door": one.door,
        "method": one.method,
        "path": one.path,
        "query": one.query,
        "status": one.status,
        "headers": {name: value for name, value in one.headers.items() if name.lower() not in _SECRET},
        "body": one.body[:_SHOWN_BYTES].decode("utf-8", "replace"),
    }
