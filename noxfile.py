"""`nox -s tests soak clients browser mutants types lint generate catalogue bench`: each installs what it needs."""

from __future__ import annotations

import os
import shutil

import nox

nox.options.sessions = ["tests", "types", "lint", "generate"]
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = False

PYPROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = ["3.11", "3.12", "3.13"]
# Everything but what a session of its own is for.
FULL = ".[cli,otel,parquet,redis,speed,zstd]"


def group(*names: str) -> list[str]:
    """The requirements of dependency groups."""
    return [requirement for name in names for requirement in PYPROJECT["dependency-groups"][name]]


@nox.session
def tests(session: nox.Session) -> None:
    """The tests, with branch coverage of the hand-written code; arguments go to pytest (and then without a floor)."""
    # The official SDK is what the catalogue is compared with.
    session.install("-e", FULL, *group("test", "bench"))
    session.run("coverage", "erase")
    session.run("coverage", "run", "-m", "pytest", *session.posargs)
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report", *(["--fail-under=0"] if session.posargs else []))


@nox.session(python=PYTHONS)
def matrix(session: nox.Session) -> None:
    """The tests on every supported Python that is installed."""
    session.install("-e", FULL, *group("test"))
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session
def soak(session: nox.Session) -> None:
    """The long forms of the fault, limit and memory tests, with the counts of the goal table."""
    session.install("-e", FULL, *group("test", "bench"))
    session.run("python", "-m", "pytest", "-m", "soak", *session.posargs)


@nox.session
def clients(session: nox.Session) -> None:
    """The official Python and node SDKs and the Singer tap against the sandbox; what cannot be installed is skipped."""
    session.install("-e", ".[cli]", *group("test", "bench"))
    session.run("python", "-m", "pytest", "-m", "installs or not installs", "tests/clients", *session.posargs)


@nox.session
def browser(session: nox.Session) -> None:
    """The sandbox's console in a real Chromium, which is installed where this runs as root beside apt."""
    session.install("-e", ".[cli]", *group("test", "browser"))
    if shutil.which("chromium") is None and shutil.which("apt-get") is not None and os.geteuid() == 0:
        session.run("apt-get", "update", "-qq", external=True)
        session.run("apt-get", "install", "-y", "-qq", "chromium", external=True)
    session.run("python", "-m", "pytest", "-m", "browser", "tests/browser", *session.posargs)


@nox.session
def mutants(session: nox.Session) -> None:
    """Mistakes made in copies of the package, which the tests must notice: how many, and from which seed."""
    session.install("-e", FULL, *group("test"))
    session.run("python", "-m", "tests.mutants", *session.posargs)


@nox.session
def types(session: nox.Session) -> None:
    """mypy strict and pyright on everything; the public API's types must be complete."""
    session.install("-e", FULL, "keyring>=25", "nox", *group("test", "types", "bench", "browser"))
    session.run("mypy")
    session.run("pyright")
    session.run("pyright", "--ignoreexternal", "--verifytypes", "aiochargebee_gw")
    session.run("python", "-m", "pytest", "tests/typing")


@nox.session
def lint(session: nox.Session) -> None:
    """ruff, as linter and as formatter."""
    session.install(*group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def generate(session: nox.Session) -> None:
    """Write the generated code, or with `-- --check` compare it byte for byte with what is committed."""
    session.install("-e", ".")
    session.run("python", "-m", "aiochargebee_gw._codegen", *session.posargs)


@nox.session
def catalogue(session: nox.Session) -> None:
    """What the official SDK has changed since the catalogue was written; `-- --write` takes that over."""
    session.install("-e", ".", *group("bench"))
    session.run("python", "-m", "aiochargebee_gw._codegen.refresh", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """The benchmarks, beside the official SDK; each prints ratios of one run."""
    session.install("-e", FULL, *group("test", "bench"))
    for name in session.posargs or ["decode", "imports", "pool", "limiter", "export"]:
        session.run("python", f"benchmarks/{name}.py")
