"""An answer with an error status becomes an error: one pure function of status, headers and bytes.

Chargebee's error bodies carry `api_error_code` (Chargebee API: error handling); a body without it came from the gateway
itself, whose statuses Maton documents: 400 no connection, 401 key, 429 rate, 500 perhaps an expired authorization.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import (
    ApiError,
    AuthorizationExpired,
    ChargebeeError,
    Conflict,
    DecodeError,
    Forbidden,
    GatewayClientError,
    GatewayRateLimited,
    IdempotencyConflict,
    InvalidApiKey,
    InvalidRequest,
    InvalidResponse,
    MatonError,
    MissingConnection,
    NotFound,
    OperationFailed,
    PaymentFailed,
    RateLimited,
    ServiceUnavailable,
    Unauthorized,
    UnexpectedRedirect,
    WrongCatalog,
)
from .document import as_mapping
from .headers import retry_after
from .message import Response

__all__ = ["failure"]

_BY_STATUS: dict[int, type[ChargebeeError]] = {
    401: Unauthorized,
    402: PaymentFailed,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    429: RateLimited,
    502: ServiceUnavailable,
    503: ServiceUnavailable,
    504: ServiceUnavailable,
}
_OF_MATON: dict[int, tuple[type[ApiError], str]] = {
    400: (MissingConnection, "the gateway found no Chargebee connection; see gw.connections"),
    401: (InvalidApiKey, "the gateway did not accept the API key"),
    429: (GatewayRateLimited, "over the gateway's requests per second for the account"),
    500: (AuthorizationExpired, "the gateway failed; the connection's authorization may have expired"),
    502: (ServiceUnavailable, "the server before Chargebee is unavailable"),
    503: (ServiceUnavailable, "the server before Chargebee is unavailable"),
    504: (ServiceUnavailable, "the server before Chargebee got no answer in time"),
}


def failure(response: Response, label: str, *, control: bool = False) -> GatewayClientError | None:
    """The error that an answer means, None for success. With *control*, the answer is the control plane's."""
    status = response.status
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return UnexpectedRedirect(f"redirect {status} refused", status=status, operation=label)
    if status < 200:
        return InvalidResponse(f"unexpected status {status}", status=status, operation=label)
    details = _details(response.body)
    code = _text(details, "api_error_code")
    kind, text = _of_chargebee(status, code, details) if code and not control else _of_gateway(status, control)
    return kind(
        text,
        status=status,
        code=code,
        type=_text(details, "type"),
        param=_text(details, "param"),
        message=_text(details, "message") or "",
        headers=dict(response.headers),
        body=response.body,
        retry_after=retry_after(response.headers),
        operation=label,
    )


def _details(body: bytes) -> Mapping[str, Any]:
    try:
        return as_mapping(body)
    except DecodeError:
        return {}


def _text(details: Mapping[str, Any], key: str) -> str | None:
    value = details.get(key)
    return value if isinstance(value, str) and value else None


def _of_gateway(status: int, control: bool) -> tuple[type[ApiError], str]:
    if control and status in (400, 500):
        return MatonError, f"the control plane answered {status}"
    kind, text = _OF_MATON.get(status, (MatonError, "the gateway refused the call"))
    return kind, f"{status}: {text}"


def _of_chargebee(status: int, code: str, details: Mapping[str, Any]) -> tuple[type[ApiError], str]:
    param = _text(details, "param")
    return _kind(status, code, details), f"{status} {code}" + (f" ({param})" if param else "")


def _kind(status: int, code: str, details: Mapping[str, Any]) -> type[ChargebeeError]:
    if code == "configuration_incompatible" and _other_catalog(details):
        return WrongCatalog
    if code == "unable_to_process_request" and status == 422:
        return IdempotencyConflict
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if details.get("type") == "payment" or code.startswith("payment_"):
        return PaymentFailed
    if status >= 500 or details.get("type") == "operation_failed":
        return OperationFailed
    return InvalidRequest


def _other_catalog(details: Mapping[str, Any]) -> bool:
    """The code also stands for other settings of a site; this is how the wrong product catalogue was seen to look."""
    legacy, message = _text(details, "error_code") or "", _text(details, "message") or ""
    return legacy in ("pc1_to_pc2_error", "pc2_to_pc1_error") or "not enabled for this site" in message
