"""The options that commands share."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import attrs
from cyclopts import Group, Parameter, Token, validators

__all__ = ["Common", "Flag", "Selection", "whole"]

_WHERE_TO = Group("Key and place", sort_key=10)
_SELECTION = Group("Which rows", sort_key=5)

_WHOLE = re.compile(r"[+-]?\d{1,18}", re.ASCII)


def whole(kind: Any, tokens: Sequence[Token]) -> int:
    """A whole number as people write it: cyclopts would round 1.9, and read 0x2."""
    if not _WHOLE.fullmatch(tokens[0].value):
        raise ValueError("it must be a whole number")
    return int(tokens[0].value)


Flag = Annotated[bool, Parameter()]


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class Common:
    """What every command that talks to the gateway takes."""

    json: Annotated[bool, Parameter(help="JSON on stdout, one object a line; errors as JSON on stderr.")] = False
    api_key_file: Annotated[
        str | None,
        Parameter(
            group=_WHERE_TO,
            allow_leading_hyphen=True,
            help=(
                "A file that holds the Maton API key and nothing else, - for stdin; one that cannot be read or is "
                "empty is an error. Else MATON_API_KEY, else a keyring (service aiochargebee-gw, user MATON_API_KEY)."
            ),
        ),
    ] = None
    connection: Annotated[
        str | None, Parameter(group=_WHERE_TO, help="A connection id. Else MATON_CONNECTION, else the oldest active.")
    ] = None
    gateway_url: Annotated[
        str | None, Parameter(group=_WHERE_TO, help="The gateway's origin. Else AIOCHARGEBEE_GW_GATEWAY_URL.")
    ] = None
    control_url: Annotated[
        str | None,
        Parameter(
            group=_WHERE_TO,
            help=(
                "The control plane's origin. Else AIOCHARGEBEE_GW_CONTROL_URL, else the gateway's where that is on "
                "this machine."
            ),
        ),
    ] = None
    deadline: Annotated[
        float | None,
        Parameter(group=_WHERE_TO, help="Seconds for one call with all its repeats: 60, for an export 600."),
    ] = None
    sandbox: Annotated[
        bool, Parameter(group=_WHERE_TO, help="Start the embedded sandbox and talk to that: made-up data, no key.")
    ] = False
    sandbox_records: Annotated[
        int,
        Parameter(group=_WHERE_TO, converter=whole, validator=validators.Number(gte=0), help="Customers in it: 500."),
    ] = 500
    sandbox_catalog: Annotated[
        Literal["both", "pc1", "pc2"],
        Parameter(
            group=_WHERE_TO,
            help="Its product catalogues: both, so that all commands work. Real sites have one, and so has `sandbox`.",
        ),
    ] = "both"
    sandbox_latency: Annotated[
        float, Parameter(group=_WHERE_TO, help="Seconds that each of its answers takes: 0. What runs can be killed.")
    ] = 0.0


@Parameter(name="*")
@attrs.frozen(kw_only=True)
class Selection:
    """Which rows of a resource: what `list` and `export` have in common."""

    where: Annotated[
        list[str] | None,
        Parameter(group=_SELECTION, help="field[operator]=value, such as 'email[is]=a@b.example'. All must hold."),
    ] = None
    order_by: Annotated[str | None, Parameter(group=_SELECTION, help="A field, or field:desc.")] = None
    include_deleted: Annotated[bool, Parameter(group=_SELECTION, help="Deleted rows, too.")] = False
    operation: Annotated[
        str | None, Parameter(group=_SELECTION, help="Another list of the resource than its own, by its name.")
    ] = None
    id: Annotated[str | None, Parameter(group=_SELECTION, help="For lists below one record: its id.")] = None
