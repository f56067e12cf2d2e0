"""Every error this package raises, drawn as the tree it is.

```
GatewayClientError
├── ConfigurationError                      key, URL, loop or closed-client misuse
├── RequestError(ValueError)                refused before anything was sent
├── TransportError                          no usable answer; `sent` says whether bytes left
│   ├── ConnectFailed  RequestTimeout  ConnectionLost
│   └── InvalidResponse                     TruncatedResponse  ResponseTooLarge  UnexpectedRedirect  DecodeError
├── ApiError                                an answer with an error status
│   ├── MatonError                          MissingConnection InvalidApiKey GatewayRateLimited AuthorizationExpired
│   └── ChargebeeError                      InvalidRequest NotFound Unauthorized Forbidden Conflict PaymentFailed
│                                           OperationFailed RateLimited ServiceUnavailable IdempotencyConflict
│                                           WrongCatalog
├── PaginationError                         CursorExpired  RepeatedOffset
├── DeadlineExceeded                        the budget for the whole call is spent
└── OutcomeUnknown                          a write may or may not have happened; never a TransportError
```

Errors carry plain fields, keep their cause and pickle. `str()` of an error names the operation, the status and the
server's error code; it never holds a key, a header, a query or the text that the server wrote, for that text may
quote personal data. The text is in `message` and `body`, for the caller to decide about.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

__all__ = [
    "ApiError",
    "AuthorizationExpired",
    "ChargebeeError",
    "ConfigurationError",
    "Conflict",
    "ConnectFailed",
    "ConnectionLost",
    "CursorExpired",
    "DeadlineExceeded",
    "DecodeError",
    "Forbidden",
    "GatewayClientError",
    "GatewayRateLimited",
    "IdempotencyConflict",
    "InvalidApiKey",
    "InvalidRequest",
    "InvalidResponse",
    "MatonError",
    "MissingConnection",
    "NotFound",
    "OperationFailed",
    "OutcomeUnknown",
    "PaginationError",
    "PaymentFailed",
    "RateLimited",
    "RepeatedOffset",
    "RequestError",
    "RequestTimeout",
    "ResponseTooLarge",
    "ServiceUnavailable",
    "TransportError",
    "TruncatedResponse",
    "Unauthorized",
    "UnexpectedRedirect",
    "WrongCatalog",
]


def _rebuild(cls: type[GatewayClientError], text: str, state: dict[str, Any]) -> GatewayClientError:
    error = cls.__new__(cls)
    Exception.__init__(error, text)
    error.__dict__.update(state)
    return error


class GatewayClientError(Exception):
    """The root: `except GatewayClientError` catches whatever this package raises on purpose.

    `operation` is the method and the path template of the call ("POST /api/v2/customers/{id}"), where there was one.
    """

    operation: str | None = None

    def __init__(self, text: str, *, operation: str | None = None) -> None:
        super().__init__(text)
        self.operation = operation

    def __str__(self) -> str:
        text = str(self.args[0]) if self.args else type(self).__name__
        return f"{self.operation}: {text}" if self.operation else text

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args[0] if self.args else "", self._state())

    def _state(self) -> dict[str, Any]:
        return dict(self.__dict__)


class ConfigurationError(GatewayClientError):
    """A key, a URL, a setting or the way a client is used is wrong; a bad key is never shown."""


class RequestError(GatewayClientError, ValueError):
    """A call was refused before anything was sent.

    `field` is what was wrong (a filter's field, a parameter, "path id"), `given` the offending value's type or
    name, `legal` what would have been accepted.
    """

    def __init__(
        self,
        text: str,
        *,
        field: str | None = None,
        given: str | None = None,
        legal: tuple[str, ...] = (),
        operation: str | None = None,
    ) -> None:
        super().__init__(text, operation=operation)
        self.field = field
        self.given = given
        self.legal = legal


class TransportError(GatewayClientError):
    """No usable answer came back. `sent` is True once bytes of the request may have left this machine."""

    def __init__(self, text: str, *, sent: bool, operation: str | None = None) -> None:
        super().__init__(text, operation=operation)
        self.sent = sent


class ConnectFailed(TransportError):
    """Name lookup, TCP or TLS failed: the server never saw the request."""


class RequestTimeout(TransportError):
    """One attempt took longer than its `Timeouts`, or than `timeout=`."""


class ConnectionLost(TransportError):
    """The connection broke after the request may have been sent."""


class InvalidResponse(TransportError):
    """The server answered, but not with something that can be trusted. `status` is its HTTP status."""

    def __init__(self, text: str, *, status: int | None = None, operation: str | None = None) -> None:
        super().__init__(text, sent=True, operation=operation)
        self.status = status


class TruncatedResponse(InvalidResponse):
    """The body ended early: fewer bytes than announced, or a compressed stream without its end."""


class ResponseTooLarge(InvalidResponse):
    """The body, after decompression, is larger than `Settings.max_response_bytes`."""


class UnexpectedRedirect(InvalidResponse):
    """A 3xx answer. Redirects are never followed: the key and the body would go to another place."""


class DecodeError(InvalidResponse):
    """The body is not what the operation promises. `path` says where ("$.list[3].customer.created_at")."""

    def __init__(self, text: str, *, path: str = "$", status: int | None = None, operation: str | None = None) -> None:
        super().__init__(text, status=status, operation=operation)
        self.path = path


class ApiError(GatewayClientError):
    """An answer with an error status.

    `status` HTTP status · `code` Chargebee's `api_error_code` · `type` its error class ("invalid_request",
    "payment", "operation_failed", "untyped") · `param` the parameter at fault, in the request's spelling ·
    `message` the server's text · `headers` lower-case names · `body` the answer's bytes · `retry_after` seconds, if the
    server named any. Chargebee's documentation of error handling names these fields and the codes.
    """

    def __init__(
        self,
        text: str,
        *,
        status: int,
        code: str | None = None,
        type: str | None = None,
        param: str | None = None,
        message: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        retry_after: float | None = None,
        operation: str | None = None,
    ) -> None:
        super().__init__(text, operation=operation)
        self.status = status
        self.code = code
        self.type = type
        self.param = param
        self.message = message
        self.headers: dict[str, str] = dict(headers or {})
        self.body = body
        self.retry_after = retry_after


class MatonError(ApiError):
    """The gateway or its control plane itself answered: the body carries no `api_error_code`."""


class MissingConnection(MatonError):
    """400 from the gateway: no Chargebee connection; make one with `gw.connections.create()`."""


class InvalidApiKey(MatonError):
    """401 from the gateway: the Maton API key is missing or wrong."""


class GatewayRateLimited(MatonError):
    """429 from the gateway: over 10 requests per second for the account, all its apps together."""


class AuthorizationExpired(MatonError):
    """500 from the gateway: may mean that the connection's authorization has expired; make a new connection."""


class ChargebeeError(ApiError):
    """Chargebee itself refused the call."""


class InvalidRequest(ChargebeeError):
    """A parameter is missing or wrong (`param` names it), or the method is not supported."""


class NotFound(ChargebeeError):
    """404: no such resource or site."""


class Unauthorized(ChargebeeError):
    """401: Chargebee did not accept the credentials that the gateway sent."""


class Forbidden(ChargebeeError):
    """403: the connection may not do this."""


class Conflict(ChargebeeError):
    """409: the resource's state does not allow this (`invalid_state_for_request`)."""


class PaymentFailed(ChargebeeError):
    """A payment was declined or could not be made (`type` is "payment")."""


class OperationFailed(ChargebeeError):
    """5xx or `operation_failed`: the server could not do it; for a write its effect may be unknown."""


class RateLimited(ChargebeeError):
    """429 from Chargebee: requests per minute, concurrency, or a lock on the resource (`code` tells)."""


class ServiceUnavailable(ChargebeeError):
    """502, 503 or 504, from Chargebee or from a proxy before it."""


class IdempotencyConflict(ChargebeeError):
    """422: the idempotency key was used before with another request."""


class WrongCatalog(ChargebeeError):
    """400 `configuration_incompatible`: the operation belongs to the product catalogue that the site does not have.

    `instead` is what does the same in the other catalogue ("subscriptions.create_with_items"), None where nothing does
    or the call was untyped.
    """

    instead: str | None = None

    def __str__(self) -> str:
        return f"{super().__str__()}; use {self.instead}" if self.instead else super().__str__()


class PaginationError(GatewayClientError):
    """A list cannot be followed to its end. `offset` is the cursor at which it stopped."""

    def __init__(self, text: str, *, offset: str | None = None, operation: str | None = None) -> None:
        super().__init__(text, operation=operation)
        self.offset = offset


class CursorExpired(PaginationError):
    """The server no longer accepts the offset."""


class RepeatedOffset(PaginationError):
    """The server handed out an offset for the second time: following it would never end."""


class DeadlineExceeded(GatewayClientError):
    """`Retry.deadline_seconds` is spent. `attempts` were made; the last failure is the cause."""

    def __init__(self, text: str, *, attempts: int = 0, operation: str | None = None) -> None:
        super().__init__(text, operation=operation)
        self.attempts = attempts


class OutcomeUnknown(GatewayClientError):
    """A write may or may not have happened.

    `idempotency_key` is the key that every attempt carried, `natural_id` the id of the record it makes where the
    request names one, `attempts` the number of sends (0 when a journal's write was not sent again), `first_sent_at` and
    `last_sent_at` their times (UTC, this machine's clock), `safe_until` until when the same request may go out under
    its key again (25 minutes after the first send; Chargebee keeps keys for 30), None where Chargebee takes no key.
    `likely_done` is True when the server answered with success but the answer could not be read. The failure that ended
    the call is the cause; the one that put the write in doubt is that or behind it.

    It is on purpose no `TransportError`: code that repeats on transport errors must not repeat this.
    """

    _live: tuple[Callable[[], Awaitable[Any]], Callable[[], Awaitable[Any]]] | None = None

    def __init__(
        self,
        text: str,
        *,
        operation: str | None = None,
        idempotency_key: str | None = None,
        natural_id: str | None = None,
        attempts: int = 1,
        likely_done: bool = False,
        first_sent_at: datetime | None = None,
        last_sent_at: datetime | None = None,
        safe_until: datetime | None = None,
    ) -> None:
        super().__init__(text, operation=operation)
        self.idempotency_key = idempotency_key
        self.natural_id = natural_id
        self.attempts = attempts
        self.likely_done = likely_done
        self.first_sent_at = first_sent_at
        self.last_sent_at = last_sent_at
        self.safe_until = safe_until

    async def reconcile(self) -> Any:
        """Look whether the write happened, by reading. The answer that the call would have given when it did.

        None when the site shows that it has not, as of now: a request that is still on its way may yet arrive. Raises
        this error again when reading cannot tell, the errors of a read when it fails, and `ConfigurationError` on an
        error that was pickled: it has lost its request.
        """
        return await self._alive()[0]()

    async def retry(self) -> Any:
        """Send the same bytes under the same key once more, and answer as the call would have.

        Under a key that reaches Chargebee this cannot write twice. Raises `RequestError` after `safe_until`, where
        Chargebee takes no key, else what the call may raise; `ConfigurationError` on an error that was pickled.
        """
        return await self._alive()[1]()

    def _alive(self) -> tuple[Callable[[], Awaitable[Any]], Callable[[], Awaitable[Any]]]:
        if self._live is None:
            raise ConfigurationError("this error has lost its request: it was pickled", operation=self.operation)
        return self._live

    def _state(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_live"}
