"""pytest fixtures: a sandbox for each test, and a gateway that talks to it. Installed with the package.

``chargebee_sandbox`` runs in a thread of its own, so that synchronous tests can use it too. The marker
``chargebee_sandbox`` passes arguments on::

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


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line("markers", "chargebee_sandbox(**options): arguments for the chargebee_sandbox fixture")


@pytest.fixture
def chargebee_sandbox(request: pytest.FixtureRequest) -> Iterator[ThreadedSandbox]:
    """A running sandbox with fresh data; stopped when the test ends."""
    from aiochargebee_gw.sandbox import ThreadedSandbox

    marker = request.node.get_closest_marker("chargebee_sandbox")
    with ThreadedSandbox(**(marker.kwargs if marker else {})) as sandbox:
        yield sandbox


@pytest.fixture
def chargebee_gateway(chargebee_sandbox: ThreadedSandbox) -> Gateway:
    """An unopened ``Gateway`` for the test's sandbox: ``async with chargebee_gateway: ...``."""
    return chargebee_sandbox.gateway()
