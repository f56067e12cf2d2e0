"""Work with Chargebee from asyncio, through the Maton gateway.

Everything public is importable from here and loads when it is touched: importing the package loads neither aiohttp
nor a record.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._version import __version__ as __version__

if TYPE_CHECKING:
    from ._converter import converter as converter
    from ._record import Envelope as Envelope
    from ._record import OpenEnum as OpenEnum
    from ._record import Part as Part
    from ._record import Record as Record
    from .batches import Many as Many
    from .connections import Connection as Connection
    from .connections import ConnectionStatus as ConnectionStatus
    from .errors import ApiError as ApiError
    from .errors import AuthorizationExpired as AuthorizationExpired
    from .errors import ChargebeeError as ChargebeeError
    from .errors import ConfigurationError as ConfigurationError
    from .errors import Conflict as Conflict
    from .errors import ConnectFailed as ConnectFailed
    from .errors import ConnectionLost as ConnectionLost
    from .errors import CursorExpired as CursorExpired
    from .errors import DeadlineExceeded as DeadlineExceeded
    from .errors import DecodeError as DecodeError
    from .errors import Forbidden as Forbidden
    from .errors import GatewayClientError as GatewayClientError
    from .errors import GatewayRateLimited as GatewayRateLimited
    from .errors import IdempotencyConflict as IdempotencyConflict
    from .errors import InvalidApiKey as InvalidApiKey
    from .errors import InvalidRequest as InvalidRequest
    from .errors import InvalidResponse as InvalidResponse
    from .errors import MatonError as MatonError
    from .errors import MissingConnection as MissingConnection
    from .errors import NotFound as NotFound
    from .errors import OperationFailed as OperationFailed
    from .errors import OutcomeUnknown as OutcomeUnknown
    from .errors import PaginationError as PaginationError
    from .errors import PaymentFailed as PaymentFailed
    from .errors import RateLimited as RateLimited
    from .errors import RepeatedOffset as RepeatedOffset
    from .errors import RequestError as RequestError
    from .errors import RequestTimeout as RequestTimeout
    from .errors import ResponseTooLarge as ResponseTooLarge
    from .errors import ServiceUnavailable as ServiceUnavailable
    from .errors import TransportError as TransportError
    from .errors import TruncatedResponse as TruncatedResponse
    from .errors import Unauthorized as Unauthorized
    from .errors import UnexpectedRedirect as UnexpectedRedirect
    from .errors import WrongCatalog as WrongCatalog
    from .filters import Filter as Filter
    from .filters import Sort as Sort
    from .gateway import Gateway as Gateway
    from .logs import LoggingObserver as LoggingObserver
    from .observe import Observer as Observer
    from .observe import Stats as Stats
    from .pagination import Page as Page
    from .pagination import Pages as Pages
    from .parallel import Parallel as Parallel
    from .parallel import ParallelState as ParallelState
    from .parallel import ParallelStream as ParallelStream
    from .parallel import WindowPage as WindowPage
    from .settings import Limits as Limits
    from .settings import Retry as Retry
    from .settings import Settings as Settings
    from .settings import Timeouts as Timeouts
    from .streams import Prefetch as Prefetch
    from .streams import Stream as Stream

_HOMES = {
    "_converter": ("converter",),
    "_record": ("Envelope", "OpenEnum", "Part", "Record"),
    "batches": ("Many",),
    "connections": ("Connection", "ConnectionStatus"),
    "errors": (
        "ApiError", "AuthorizationExpired", "ChargebeeError", "ConfigurationError", "Conflict", "ConnectFailed",
        "ConnectionLost", "CursorExpired", "DeadlineExceeded", "DecodeError", "Forbidden", "GatewayClientError",
        "GatewayRateLimited", "IdempotencyConflict", "InvalidApiKey", "InvalidRequest", "InvalidResponse", "MatonError",
        "MissingConnection", "NotFound", "OperationFailed", "OutcomeUnknown", "PaginationError", "PaymentFailed",
        "RateLimited", "RepeatedOffset", "RequestError", "RequestTimeout", "ResponseTooLarge", "ServiceUnavailable",
        "TransportError", "TruncatedResponse", "Unauthorized", "UnexpectedRedirect", "WrongCatalog",
    ),
    "filters": ("Filter", "Sort"),
    "gateway": ("Gateway",),
    "logs": ("LoggingObserver",),
    "observe": ("Observer", "Stats"),
    "pagination": ("Page", "Pages"),
    "parallel": ("Parallel", "ParallelState", "ParallelStream", "WindowPage"),
    "settings": ("Limits", "Retry", "Settings", "Timeouts"),
    "streams": ("Prefetch", "Stream"),
}  # fmt: skip
_HOME = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted([*_HOME, "__version__"])  # pyright: ignore[reportUnsupportedDunderAll]


if not TYPE_CHECKING:  # a type checker must go on to report what is not there

    def __getattr__(name: str) -> Any:
        module = _HOME.get(name)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = getattr(importlib.import_module(f"{__name__}.{module}"), name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return list(__all__)
