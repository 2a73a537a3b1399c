"""Where every operation is tried: the tables that the generic tests go through."""

from tests.ops.cases import conv, elementwise, functional, linalg, pool, reduce, shape
from tests.ops.cases.case import Case

ALL: list[Case] = [
    *elementwise.CASES,
    *reduce.CASES,
    *shape.CASES,
    *linalg.CASES,
    *conv.CASES,
    *pool.CASES,
    *functional.CASES,
]

__all__ = ["ALL", "Case"]
