"""An embedded sandbox: the gateway, its control plane and a Chargebee site, stateful, on loopback."""

from __future__ import annotations

from aiochargebee_gw.sandbox._messages import RecordedRequest, Requests
from aiochargebee_gw.sandbox._webhooks import Sent, Webhooks
from aiochargebee_gw.sandbox.clock import Clock, ManualClock, SystemClock
from aiochargebee_gw.sandbox.faults import Fault, Faults
from aiochargebee_gw.sandbox.sandbox import Sandbox
from aiochargebee_gw.sandbox.threaded import ThreadedSandbox

__all__ = [
    "Clock",
    "Fault",
    "Faults",
    "ManualClock",
    "RecordedRequest",
    "Requests",
    "Sandbox",
    "Sent",
    "SystemClock",
    "ThreadedSandbox",
    "Webhooks",
]
