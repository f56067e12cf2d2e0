"""A picture of the progress display from a real run, `python benchmarks/picture.py .readme/export.svg`: three lists of
a sandbox in another process that lets 10 requests a second through and answers after 0.2 s, half way."""

from __future__ import annotations

import asyncio
import io
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.text import Text

from aiochargebee_gw import Gateway, Settings
from aiochargebee_gw.cli._progress import Board, bars_on
from aiochargebee_gw.export import Progress, export_all

NAMES = ("customers", "subscriptions", "invoices")
RECORDS, WIDTH, HALF = 5_000, 138, 0.5
COMMAND = f"aiochargebee-gw export {' '.join(NAMES)} --to out/"
# Who looks at the picture should load nothing from elsewhere.
FONTS = re.compile(r"@font-face \{\{.*?\}\}\s*", re.DOTALL)


@contextmanager
def sandbox() -> Iterator[dict[str, str]]:
    """The first line that a sandbox of its own says."""
    argv = ["sandbox", "--records", str(RECORDS), "--rate", "10", "--latency", "0.2"]
    child = subprocess.Popen([sys.executable, "-m", "aiochargebee_gw", *argv], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        yield json.loads(child.stdout.readline())
    finally:
        child.terminate()
        child.communicate()


async def drawn(place: dict[str, str], folder: Path) -> str:
    """The terminal half way through an export, as SVG."""
    from rich._export_format import CONSOLE_SVG_FORMAT

    console = Console(record=True, width=WIDTH, force_terminal=True, file=io.StringIO(), color_system="truecolor")
    settings = Settings(gateway_url=place["gateway_url"], control_url=place["control_url"])
    bars = bars_on(console)
    board = Board(bars, settings.limits.account_per_second)
    shares: dict[str, float] = {}

    class HalfWay(Exception):
        """Seen enough."""

    def show(now: Progress) -> None:
        board.show(now)
        shares[now.resource] = now.rows / (now.total or now.rows)
        if len(shares) == len(NAMES) and now.requests > 60 and min(shares.values()) > HALF:
            raise HalfWay

    async with Gateway(place["api_key"], settings=settings) as gw:
        try:
            await export_all({name: getattr(gw, name).list() for name in NAMES}, to=folder, progress=show)
        except HalfWay:
            console.print(Text.assemble(("$ ", "green"), COMMAND))
            console.print(bars.get_renderable())
    return console.export_svg(
        title="aiochargebee-gw", code_format=FONTS.sub("", CONSOLE_SVG_FORMAT), unique_id="export"
    )


def main() -> None:
    with sandbox() as place, tempfile.TemporaryDirectory() as folder:
        text = asyncio.run(drawn(place, Path(folder)))
    Path(sys.argv[1]).write_text(text)
    print(f"{sys.argv[1]}: {len(text):,} characters")


if __name__ == "__main__":
    main()
