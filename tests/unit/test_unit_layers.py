"""The plan of the house: who may import whom."""

from __future__ import annotations

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import aiochargebee_gw

ROOT = Path(aiochargebee_gw.__file__).parent
PACKAGE = "aiochargebee_gw"

# The first pattern that matches a module gives its layer.
LAYERS: list[tuple[str, int]] = [
    (r"(errors|settings|limiter|observe|logs|_clock|_version)$", 0),
    (r"_wire(\..*)?$", 1),
    (
        r"(filters|_filter|_settle|_filter_check|_operation|_options|_page|_prepare|_record|_repair|_converter|_axis|_window|_track)$",
        2,
    ),
    (r"(records|params|fields)(\..*)?$", 2),
    (r"_policy(\..*)?$", 3),
    (r"transport(\..*)?$", 4),
    (r"(_engine|_turnstile|_gates|_site|_shared|_home|_call|_doubt|_recorder)$", 5),
    (r"(_resource|pagination|streams|batches|windows|parallel|connections|gateway|_files|journal|_journal)$", 6),
    (r"resources(\..*)?$", 6),
    (r"(export|reconcile|sandbox|webhooks|testing|ext|cli)(\..*)?$", 7),
    (r"__init__$|__main__$", 8),
]
ALLOWED = {0: {0}, 1: {0, 1}, 2: {0, 1, 2}, 3: {0, 3}, 4: {0, 1, 4}, 5: {0, 1, 3, 5}, 6: {0, 1, 2, 3, 4, 5, 6}}
FORBIDDEN = {
    1: {"asyncio", "anyio", "aiohttp"},
    2: {"asyncio", "anyio", "aiohttp"},
    3: {"time", "random", "asyncio", "anyio", "aiohttp", "datetime"},
}


def _modules() -> dict[str, Path]:
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[0] == "_codegen":
            continue
        name = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
        found[name] = path
    return found


MODULES = _modules()


def _layer(module: str) -> int:
    for pattern, layer in LAYERS:
        if re.match(pattern, module):
            return layer
    raise AssertionError(f"{module} has no layer: put it into the table")


def _is_typing(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def _statements(tree: ast.Module, *, inside_functions: bool) -> list[ast.Import | ast.ImportFrom]:
    found: list[ast.Import | ast.ImportFrom] = []
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import | ast.ImportFrom):
                found.append(child)
            elif not _is_typing(child) and (
                inside_functions or not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            ):
                todo.append(child)
    return found


def _imports(module: str, *, inside_functions: bool = True) -> tuple[set[str], set[str]]:
    """Our modules and the outside packages that *module* imports when it runs."""
    ours: set[str] = set()
    theirs: set[str] = set()
    path = MODULES[module]
    base = [PACKAGE, *path.relative_to(ROOT).parts[:-1]]
    for node in _statements(ast.parse(path.read_text()), inside_functions=inside_functions):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            start = base[: len(base) - node.level + 1] if node.level else []
            home = ".".join([*start, *([node.module] if node.module else [])])
            names = [f"{home}.{alias.name}" for alias in node.names]
        for name in names:
            if name.split(".")[0] != PACKAGE:
                theirs.add(name.split(".")[0])
                continue
            inner = name.split(".")[1:]
            while inner and ".".join(inner) not in MODULES:
                inner.pop()
            ours.add(".".join(inner) or "__init__")
    return ours - {module}, theirs


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_imports_only_what_its_layer_may(module: str) -> None:
    """Layers look down, never up, and keep away from the packages that they must not know."""
    layer = _layer(module)
    ours, theirs = _imports(module)
    assert not theirs & FORBIDDEN.get(layer, set())
    if layer in ALLOWED:
        above = {other for other in ours if _layer(other) not in ALLOWED[layer]}
        assert above <= ({"transport.base"} if layer == 5 else set())


def test_the_pool_has_one_door() -> None:
    """Only gateway.py names transport.pool, and only the pool and its connector import aiohttp below the edges."""
    users = {module for module in MODULES if "transport.pool" in _imports(module)[0]}
    assert users == {"gateway"}
    importers = {module for module in MODULES if "aiohttp" in _imports(module)[1] and _layer(module) < 7}
    assert importers == {"transport.pool", "transport.connector"}


def test_the_engine_knows_transports_by_their_protocol() -> None:
    """The engine imports transport.base and nothing else of the transports."""
    ours, _ = _imports("_engine")
    assert {other for other in ours if _layer(other) == 4} == {"transport.base"}


def test_client_and_sandbox_share_no_parsing() -> None:
    """The sandbox imports layer 0, the package's root and itself: it cannot share a mistake with the client."""
    for module in MODULES:
        if module.split(".")[0] == "sandbox":
            ours, _ = _imports(module)
            outside = {other for other in ours if other.split(".")[0] != "sandbox"}
            assert {other for other in outside if _layer(other) not in (0, 8)} == set(), module


def test_edges_do_not_lean_on_each_other() -> None:
    """Of the edges, only the command line and the pytest plugin use others, and only from the outside."""
    for module in MODULES:
        home = module.split(".")[0]
        if _layer(module) == 7 and home not in ("cli", "testing"):
            ours, _ = _imports(module)
            assert {o for o in ours if _layer(o) == 7 and o.split(".")[0] != home} == set(), module


def test_no_import_cycles() -> None:
    """What modules import when they are imported forms no circle."""
    graph = {module: _imports(module, inside_functions=False)[0] for module in MODULES}
    for module, others in graph.items():
        # A package is loaded before its modules: that is no import of its contents.
        others -= {package for package in others if module.startswith(f"{package}.")}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"import cycle: {' -> '.join(error.args[1])}")
