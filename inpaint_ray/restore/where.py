"""Conditions on repairs, written like `expected_snr_db < 3 and kind == "click"`.

The syntax is Python's, read by its parser and never run: columns of the table of gaps, numbers and texts, comparisons,
`in`, `is None`, `and`, `or`, `not` and parentheses become an expression of pyarrow. A comparison with nothing, such as
an expected SNR that nobody knows, is not true.
"""

import ast
import operator
from collections.abc import Callable
from functools import reduce
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from inpaint_ray.errors import UsageError
from inpaint_ray.restore.gap_table import SCHEMA, TABLE_COLUMNS

LONGEST = 1000  # characters of a condition
OPERATORS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
EXAMPLE = "an example: expected_snr_db < 3 and kind == 'click'"


def parse_condition(flag: str, text: str) -> pc.Expression:
    """Return a condition on rows of the table of gaps.

    Raises:
        UsageError: it is no condition.
    """
    if len(text) > LONGEST:
        raise UsageError(f"{flag}: longer than {LONGEST} characters; list the repairs with --only")
    try:
        condition = _condition(ast.parse(text.strip(), mode="eval").body)
        SCHEMA.empty_table().select(TABLE_COLUMNS).filter(condition)
    except SyntaxError as error:
        raise UsageError(f"{flag} {text!r}: {error.msg}; equality is written ==; {EXAMPLE}") from None
    except (ValueError, TypeError, pa.ArrowException) as error:
        raise UsageError(f"{flag} {text!r}: {' '.join(str(error).split())}; {EXAMPLE}") from None
    return condition


def _condition(node: ast.expr) -> pc.Expression:
    """Return a condition on a row."""
    if isinstance(node, ast.BoolOp):
        parts = [_condition(each) for each in node.values]
        return reduce(operator.and_ if isinstance(node.op, ast.And) else operator.or_, parts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return ~_condition(node.operand)
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        parts = [_compare(*each) for each in zip(sides, node.ops, sides[1:], strict=False)]
        return reduce(operator.and_, parts)
    raise ValueError(f"{ast.unparse(node)} is neither true nor false")


def _compare(left: ast.expr, operation: ast.cmpop, right: ast.expr) -> pc.Expression:
    if isinstance(operation, ast.In | ast.NotIn):
        if not isinstance(right, ast.Tuple | ast.List):
            raise ValueError(f"{ast.unparse(right)} must be a list such as ('click', 'zeros')")
        found = _value(left).isin([_constant(each) for each in right.elts])
        return found if isinstance(operation, ast.In) else ~found
    if isinstance(operation, ast.Is | ast.IsNot):
        if not isinstance(right, ast.Constant) or right.value is not None:
            raise ValueError("`is` is for None alone")
        missing = _value(left).is_null()
        return missing if isinstance(operation, ast.Is) else ~missing
    return OPERATORS[type(operation)](_value(left), _value(right))


def _value(node: ast.expr) -> pc.Expression:
    if isinstance(node, ast.Name):
        if node.id not in TABLE_COLUMNS:
            raise ValueError(f"there is no column {node.id}; there are {', '.join(TABLE_COLUMNS)}")
        return pc.field(node.id)
    return pc.scalar(_constant(node))


def _constant(node: ast.expr) -> float | str:
    """Return a number or a text."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        number = _constant(node.operand)
        if not isinstance(number, str):
            return -number
    if isinstance(node, ast.Constant) and type(node.value) in (int, float, str):
        return node.value  # type: ignore[return-value]  # what the line above has checked
    raise ValueError(f"{ast.unparse(node)} is neither a column nor a number nor a text in quotes")
