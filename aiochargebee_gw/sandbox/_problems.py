"""Error answers: Chargebee's own and the gateway's.

Chargebee's body carries ``message``, ``type``, ``api_error_code``, ``param`` and the legacy keys
``error_code``, ``error_msg``, ``http_status_code`` (https://apidocs.chargebee.com/docs/api/error-handling).
The gateway's own errors are JSON without ``api_error_code``.
"""

from __future__ import annotations

from aiochargebee_gw.sandbox._json import encode, without_nulls
from aiochargebee_gw.sandbox._messages import Answer


class Problem(Exception):
    """An error that Chargebee itself answers; ``answer()`` is its wire form."""

    def __init__(
        self,
        status: int,
        api_error_code: str,
        message: str,
        *,
        type: str | None = "invalid_request",
        param: str | None = None,
        error_code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.api_error_code = api_error_code
        self.message = message
        self.type = type
        self.param = param
        self.error_code = error_code or api_error_code
        self.headers = headers or {}
        self.keeps = False

    def answer(self) -> Answer:
        """Status, JSON body and headers."""
        message = f"{self.param} : {self.message}" if self.param else self.message
        body = {
            "message": message,
            "type": self.type,
            "api_error_code": self.api_error_code,
            "param": self.param,
            "error_code": self.error_code,
            "error_msg": self.message,
            "http_status_code": self.status,
        }
        return Answer(self.status, encode(without_nulls(body)), self.headers)


def wrong_value(param: str, message: str) -> Problem:
    """400: a known parameter with a value that it cannot have."""
    return Problem(400, "param_wrong_value", message, param=param)


def wrong_format(param: str, message: str) -> Problem:
    """400: a known parameter that cannot even be read."""
    return Problem(400, "param_wrong_value", message, param=param, error_code="wrong_format")


def missing(param: str) -> Problem:
    """400: a required parameter is absent or blank."""
    return Problem(400, "param_wrong_value", "cannot be blank", param=param, error_code="param_should_be_present")


def unknown_param(param: str) -> Problem:
    """400 of the strict mode; the live API ignores such a parameter in silence."""
    return Problem(400, "invalid_request", "this parameter is not known here", param=param, error_code="unknown_param")


def duplicate(param: str, value: str) -> Problem:
    """400: the id chosen by the caller is taken."""
    return Problem(400, "duplicate_entry", f"The value {value} is already present.", param=param)


def not_found(kind: str, id: str, param: str | None = None) -> Problem:
    """404: no such row, also for a row that another parameter refers to."""
    return Problem(404, "resource_not_found", f"{kind} {id} not found", param=param)


def no_such_call(path: str) -> Problem:
    """404: the path is no operation."""
    return Problem(404, "resource_not_found", f"Sorry, we couldn't find {path}.")


def too_large() -> Problem:
    """413: more than one MiB was sent."""
    return Problem(413, "invalid_request", "The request is too large.")


def wrong_verb(method: str) -> Problem:
    """405: Chargebee knows GET and POST only, each operation one of them."""
    return Problem(405, "http_method_not_supported", f"The HTTP method {method} is not supported here.")


def wrong_catalog(error_code: str) -> Problem:
    """400: an operation of the other Product Catalog."""
    message = "This API operation is not enabled for this site"
    return Problem(400, "configuration_incompatible", message, error_code=error_code)


def wrong_state(message: str) -> Problem:
    """409: the object is not in a state that allows this."""
    return Problem(409, "invalid_state_for_request", message)


def declined(code: str, message: str, *, status: int = 402, keeps: bool = False) -> Problem:
    """402, or 400 where an invoice was to be collected: the payment gateway said no.

    ``keeps`` says that the failed attempt stays on record although the call is refused.
    """
    problem = Problem(status, code, message, type="payment", error_code="payment_declined")
    problem.keeps = keeps
    return problem


def bad_key() -> Problem:
    """401 at the site door; live answers carry no ``type`` there."""
    return Problem(
        401,
        "api_authentication_failed",
        "Sorry, authentication failed. Invalid API key.",
        type=None,
        error_code="api_authentication_invalid_key",
        headers={"WWW-Authenticate": 'Basic realm="Chargebee sandbox"'},
    )


def site_rate_exceeded(retry_after: int) -> Problem:
    """429 of Chargebee: too many requests for this site in one minute."""
    return Problem(
        429,
        "api_request_limit_exceeded",
        "The request limit for this site is exceeded.",
        type="operation_failed",
        headers={"Retry-After": str(retry_after)},
    )


def gateway_error(status: int, message: str, headers: dict[str, str] | None = None) -> Answer:
    """An error of the gateway or its control plane: JSON without ``api_error_code``."""
    return Answer(status, encode({"message": message}), headers or {})
