"""Importing is nearly free, and what is public is written down."""

from __future__ import annotations

import ast
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import aiochargebee_gw
from aiochargebee_gw import errors


def _loaded(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint('\\n'.join(sys.modules))"
    # A measured child would load what measures it.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_heavy() -> None:
    """`import aiochargebee_gw` loads neither aiohttp, asyncio, attrs nor msgspec, and of ours only the version."""
    loaded = _loaded("import aiochargebee_gw")
    assert not loaded & {"aiohttp", "asyncio", "attrs", "attr", "msgspec", "cattrs", "anyio", "ssl"}
    assert {name for name in loaded if name.startswith("aiochargebee_gw")} == {
        "aiochargebee_gw",
        "aiochargebee_gw._version",
    }


def test_a_resource_loads_when_it_is_touched() -> None:
    """A client with one resource loads that resource's module, and no record before one is decoded."""
    loaded = _loaded("from aiochargebee_gw import Gateway\nGateway('k').customers")
    ours = {name for name in loaded if name.startswith("aiochargebee_gw.")}
    assert "aiochargebee_gw.resources.customers" in ours
    assert not {name for name in ours if name.startswith(("aiochargebee_gw.records.", "aiochargebee_gw.params."))}
    assert not {name for name in ours if name.startswith("aiochargebee_gw.sandbox")}
    assert {name for name in ours if name.startswith("aiochargebee_gw.resources.")} == {
        "aiochargebee_gw.resources.customers"
    }


def test_fields_load_their_own_resource() -> None:
    """Importing the fields of customers loads those of customers."""
    loaded = _loaded("from aiochargebee_gw.fields import customer")
    assert "aiochargebee_gw.fields.customer" in loaded
    assert "aiochargebee_gw.fields.invoice" not in loaded
    assert "aiohttp" not in loaded


def test_the_pytest_plugin_is_light() -> None:
    """The plugin loads in every test run of every user: it must bring nothing along."""
    assert not _loaded("import aiochargebee_gw.testing.plugin") & {"aiohttp", "attrs", "msgspec", "sqlite3", "anyio"}


def test_public_names_and_type_checkers_agree() -> None:
    """What a type checker sees in the package is what importing finds, and all of it is in __all__."""
    source = Path(aiochargebee_gw.__file__).read_text()
    (block,) = [node for node in ast.parse(source).body if isinstance(node, ast.If) and isinstance(node.test, ast.Name)]
    seen = {alias.asname for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen | {"__version__"} == set(aiochargebee_gw.__all__) == set(dir(aiochargebee_gw))
    for name in aiochargebee_gw.__all__:
        assert getattr(aiochargebee_gw, name) is not None
    with pytest.raises(AttributeError):
        getattr(aiochargebee_gw, "nothing")  # noqa: B009 - a type checker knows that it is not there


def test_every_module_imports_alone() -> None:
    """No module depends on another having been imported before it."""
    root = Path(aiochargebee_gw.__file__).parent
    names = [f"aiochargebee_gw.{path.stem}" for path in root.glob("*.py") if path.stem not in ("__init__", "__main__")]
    code = "import importlib, sys\n" + "\n".join(
        f"importlib.import_module({name!r})\nfor m in [m for m in sys.modules if m.startswith('aiochargebee_gw')]: "
        "del sys.modules[m]"
        for name in names
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_all_errors_are_public() -> None:
    """Every error class is importable from the package itself."""
    for name in errors.__all__:
        assert getattr(aiochargebee_gw, name) is getattr(errors, name)
    assert importlib.import_module("aiochargebee_gw.errors").__doc__
