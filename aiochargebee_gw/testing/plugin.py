"""pytest fixtures: a sandbox for each test, and a gateway that talks to it. Installed with the package.

``chargebee_sandbox`` runs in a thread of its own, so that any kind of test can use it: a plain one, one of anyio's, one
of pytest-asyncio's. The marker ``chargebee_sandbox`` passes arguments on, on a test, a class or a module::

    @pytest.mark.chargebee_sandbox(records=50, strict=True)
    def test_report(chargebee_sandbox): ...

pytest loads this module in every run, also where nobody uses it: what costs time is imported in the fixtures.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from aiochargebee_gw import Gateway
    from aiochargebee_gw.sandbox import ThreadedSandbox

_MARKER = "chargebee_sandbox(**options): arguments of Sandbox for the chargebee_sandbox fixture"


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture
def chargebee_sandbox(request: pytest.FixtureRequest) -> Iterator[ThreadedSandbox]:
    """A running sandbox with fresh data; stopped when the test ends.

    Arrange with ``seed(customers=[...])``, ``faults.add(...)`` and ``travel(days=...)``, act with any client at
    ``gateway_url`` or ``site_url``, assert on ``get``, ``count`` and ``requests.to("/customers", method="POST")``.
    """
    from aiochargebee_gw.sandbox import ThreadedSandbox

    options = {}
    for marker in reversed(list(request.node.iter_markers("chargebee_sandbox"))):
        options.update(marker.kwargs)
    with ThreadedSandbox(**options) as sandbox:
        yield sandbox


@pytest.fixture
def chargebee_gateway(chargebee_sandbox: ThreadedSandbox) -> Gateway:
    """An unopened ``Gateway`` for the test's sandbox; it belongs to the loop that uses it::

    async def test_report(chargebee_gateway):
        async with chargebee_gateway as gw:
            assert await gw.customers.list(limit=1)
    """
    return chargebee_sandbox.gateway()
