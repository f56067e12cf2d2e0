"""How fast the sandbox lists, and what a large store weighs.

    python benchmarks/sandbox.py [rows] [seconds] [--million]

A sandbox with *rows* rows of all kinds listens in another process; here one bare socket asks for page after page of 100
rows, kept alive, and follows the cursors round and round: customers with their cards, subscriptions with customers and
cards, invoices, a filter, a sort. Pages per second count the time on the wall; pages per second of the server's own
processor time do not depend on what else the machine does: that is the bar, 500. The pages of gzip are asked for anew
each time, so that none is at hand. With ``--million``, a process of its own fills a store with a million rows and says
how much memory it had at the most; the bar is 2 GiB.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from urllib.parse import quote

from attrs import frozen

from aiochargebee_gw.sandbox import ThreadedSandbox
from aiochargebee_gw.sandbox._kinds import KINDS
from aiochargebee_gw.sandbox._store import Store, stored

ROWS, SECONDS = 100_000, 4.0
ROWS_PER_CUSTOMER = 10
BAR = 500
MILLION = 1_000_000
QUERIES = {
    "customers, with cards": "/customers?limit=100",
    "customers, sorted by updated_at": "/customers?limit=100&sort_by%5Bdesc%5D=updated_at",
    "subscriptions, with customers": "/subscriptions?limit=100",
    "subscriptions, by status": "/subscriptions?limit=100&status%5Bis%5D=active",
    "invoices": "/invoices?limit=100",
    "invoices, from a date": "/invoices?limit=100&date%5Bafter%5D=1600000000&sort_by%5Basc%5D=date",
}


@frozen
class Server:
    """A sandbox in another process: its address and key, how many rows it has, and its processor time so far."""

    port: int
    api_key: str
    rows: int
    _pipe: Connection

    def cpu_seconds(self) -> float:
        """Processor seconds of the server's process."""
        self._pipe.send(None)
        return float(self._pipe.recv())


def _serve(rows: int, pipe: Connection) -> None:
    with ThreadedSandbox(records=rows // ROWS_PER_CUSTOMER) as sandbox:
        count = sum(sandbox.count(kind, include_deleted=True) for kind in KINDS)
        pipe.send((int(sandbox.url.rpartition(":")[2]), sandbox.api_key, count))
        while True:
            pipe.recv()
            pipe.send(time.process_time())


@contextmanager
def serving(rows: int) -> Iterator[Server]:
    """Run the server."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(rows, there), daemon=True)
    process.start()
    try:
        port, api_key, count = here.recv()
        yield Server(port, api_key, count, here)
    finally:
        process.terminate()
        process.join()


class Socket:
    """A kept-alive connection that asks for a path at the gateway door and gives the body."""

    def __init__(self, server: Server, encoding: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", server.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")
        self._tail = (
            f" HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAuthorization: Bearer {server.api_key}\r\n"
            f"Accept-Encoding: {encoding}\r\n\r\n"
        ).encode()

    def get(self, path: str) -> bytes:
        """The body of an answer that must be a 200 with a length."""
        self._socket.sendall(b"GET /chargebee/api/v2" + path.encode() + self._tail)
        assert b" 200 " in self._file.readline()
        length = 0
        while (line := self._file.readline()) != b"\r\n":
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return self._file.read(length)

    def close(self) -> None:
        """Let the connection go."""
        self._file.close()
        self._socket.close()


def cursor(body: bytes) -> str:
    """The cursor of the next page, "" on the last one; it stands at the end of the body."""
    begin = body.rfind(b'"next_offset":', len(body) - 1200)
    return "" if begin < 0 else str(json.loads(body[begin + 14 : -1]))


def measure(server: Server, path: str, seconds: float) -> tuple[int, float, float, int]:
    """Pages, seconds on the wall, the server's processor seconds, bytes of a page."""
    connection = Socket(server, "identity")
    body = connection.get(path)
    pages, size, offset = 0, 0, cursor(body)
    cpu, began = server.cpu_seconds(), time.perf_counter()
    while (spent := time.perf_counter() - began) < seconds:
        body = connection.get(f"{path}&offset={quote(offset)}" if offset else path)
        offset = cursor(body)
        pages += 1
        size += len(body)
    cpu = server.cpu_seconds() - cpu
    connection.close()
    return pages, spent, cpu, size // pages


def gzip_pages(server: Server, path: str, seconds: float) -> float:
    """Pages per processor second when each is compressed anew."""
    plain = Socket(server, "identity")
    paths, offset = [path], cursor(plain.get(path))
    while offset and len(paths) < 2_000:
        paths.append(f"{path}&offset={quote(offset)}")
        offset = cursor(plain.get(paths[-1]))
    plain.close()
    packed = Socket(server, "gzip")
    cpu, began, pages = server.cpu_seconds(), time.perf_counter(), 0
    for each in paths:
        packed.get(each)
        pages += 1
        if time.perf_counter() - began > seconds:
            break
    cpu = server.cpu_seconds() - cpu
    packed.close()
    return pages / cpu


def fill(rows: int) -> None:
    """A store of customers like the seeded ones, as one process's only work; prints what it needed."""
    from aiochargebee_gw.sandbox._seed.world import seeded_store

    sample = seeded_store(50, 7, "pc2")
    models = [value for number in range(1, 51) if (value := sample.get("customer", f"cust_{number}"))]
    began = time.perf_counter()
    store = Store(
        stored(KINDS["customer"], {**models[number % len(models)], "id": f"c{number}"}, 0) for number in range(rows)
    )
    assert store.count("customer", include_deleted=True) == rows
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{rows:,} rows in {time.perf_counter() - began:.0f} s, {peak:.2f} GiB at the most (bar: 2)")


def main() -> None:
    """Print the table."""
    arguments = [one for one in sys.argv[1:] if not one.startswith("--")]
    rows = int(arguments[0]) if arguments else ROWS
    seconds = float(arguments[1]) if len(arguments) > 1 else SECONDS
    with serving(rows) as server:
        print(f"{server.rows:,} rows; bar: {BAR} pages per second of the server's processor time")
        print(f"{'list':<34} {'kB/page':>8} {'pages/s':>9} {'pages/cpu s':>12}")
        for name, path in QUERIES.items():
            pages, spent, cpu, size = measure(server, path, seconds)
            print(f"{name:<34} {size / 1000:>8.0f} {pages / spent:>9.0f} {pages / cpu:>12.0f}")
        rate = gzip_pages(server, QUERIES["customers, with cards"], seconds)
        print(f"{'customers, compressed anew':<34} {'':>8} {'':>9} {rate:>12.0f}")
    if "--million" in sys.argv:
        process = multiprocessing.get_context("spawn").Process(target=fill, args=(MILLION,))
        process.start()
        process.join()


if __name__ == "__main__":
    main()
