"""Runs the Singer tap with its vendor's host replaced by a sandbox: ``tap.py URL tap-arguments``."""

import sys

import tap_chargebee  # pyright: ignore[reportMissingImports] - in an environment of its own
import tap_chargebee.client  # pyright: ignore[reportMissingImports]

URL = sys.argv.pop(1)
VENDOR = "https://sandbox.chargebee.com"
send = tap_chargebee.client.requests.request


def redirected(method: str, url: str, **options: object) -> object:
    """The tap writes the vendor's host into every URL; nothing else of it is touched."""
    assert url.startswith(VENDOR), url
    return send(method, URL + url.removeprefix(VENDOR), **options)


tap_chargebee.client.requests.request = redirected
tap_chargebee.main()
