"""One mistake in a module's source: every place where one can be made, and the source with it."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator

import attrs

__all__ = ["Mutant", "mutants"]

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
}
_VERDICTS = {"resend": "final", "final": "resend", "unknown": "resend"}


@attrs.frozen
class Mutant:
    """A mistake: the line where it is made, what it is, and the whole source with it."""

    line: int
    what: str
    source: str


def mutants(source: str) -> list[Mutant]:
    """Every mistake that can be made in *source*, in the order of its lines."""
    tree = ast.parse(source)
    found: dict[tuple[int, str, str], Mutant] = {}
    idle = _idle(tree)
    for number, node in enumerate(ast.walk(tree)):
        if node in idle:
            continue
        for what, changed in _mistakes(node):
            text = ast.unparse(ast.fix_missing_locations(_with(tree, number, changed)))
            line = getattr(node, "lineno", 0)
            found.setdefault((line, what, text), Mutant(line, what, text))
    return sorted(found.values(), key=lambda mutant: (mutant.line, mutant.what, mutant.source))


def _idle(tree: ast.Module) -> set[ast.AST]:
    """What does nothing when the module runs: the names it exports and the types it speaks of."""
    found: set[ast.AST] = set()
    for node in ast.walk(tree):
        exports = isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets
        )
        literal = isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "Literal"
        if exports or literal:
            found.update(ast.walk(node))
        for part in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if isinstance(part, ast.AST):
                found.update(ast.walk(part))
    return found


def _with(tree: ast.Module, number: int, changed: ast.AST) -> ast.Module:
    made = copy.deepcopy(tree)
    for at, node in enumerate(ast.walk(made)):
        if at == number:
            node.__dict__.clear()
            node.__dict__.update(copy.deepcopy(changed).__dict__)
            node.__class__ = changed.__class__
            return made
    raise AssertionError("the tree has no such node")


def _mistakes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """What could be written wrongly at *node*: a name for it, and the node as it then is."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in _COMPARISONS:
        other = _COMPARISONS[type(node.ops[0])]
        yield f"compare with {other.__name__}", ast.Compare(node.left, [other(), *node.ops[1:]], node.comparators)
    if isinstance(node, ast.BoolOp):
        other_op: ast.boolop = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield f"join by {type(other_op).__name__}", ast.BoolOp(other_op, node.values)
        for at in range(len(node.values)):
            left = [value for index, value in enumerate(node.values) if index != at]
            yield f"leave out part {at + 1}", left[0] if len(left) == 1 else ast.BoolOp(node.op, left)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "leave out the not", node.operand
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC and not _is_typing(node):
        other_arithmetic = _ARITHMETIC[type(node.op)]
        yield f"calculate with {other_arithmetic.__name__}", ast.BinOp(node.left, other_arithmetic(), node.right)
    if isinstance(node, ast.AugAssign) and type(node.op) in _ARITHMETIC:
        yield "count the other way", ast.AugAssign(node.target, _ARITHMETIC[type(node.op)](), node.value)
    if isinstance(node, ast.If):
        yield "always", ast.If(ast.Constant(True), node.body, node.orelse)
        yield "never", ast.If(ast.Constant(False), node.body, node.orelse)
    if isinstance(node, ast.IfExp):
        yield "the other one", ast.IfExp(node.test, node.orelse, node.body)
    if isinstance(node, ast.Constant):
        yield from _constants(node)


def _constants(node: ast.Constant) -> Iterator[tuple[str, ast.AST]]:
    value = node.value
    if isinstance(value, bool):
        yield f"{not value}", ast.Constant(not value)
    elif isinstance(value, int | float):
        yield "one more", ast.Constant(value + 1)
    elif isinstance(value, str) and value in _VERDICTS:
        yield f"{_VERDICTS[value]} for {value}", ast.Constant(_VERDICTS[value])
    elif isinstance(value, str) and value.isidentifier():
        yield "another word", ast.Constant(value + "_")


def _is_typing(node: ast.BinOp) -> bool:
    return isinstance(node.op, ast.BitOr)
