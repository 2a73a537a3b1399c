"""What the faults are, how they come into a file's text, and how into living functions or into an import.

cosmic-ray's operators make them. A place in the code is drawn first, with a fixed seed, then one of its mutants: an
operator that has eleven substitutes does not count eleven times. A mutant counts if it is Python, compiles without a
warning, and differs in more than type hints and docstrings.
"""

from __future__ import annotations

import ast
import gc
import importlib.machinery
import itertools
import random
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, NamedTuple

SEED = 7
Functions = dict[CodeType, list[FunctionType]]
PUNCTUATION = {"(", ")", "[", "]", "{", "}", ",", ":", ".", "=", "->"}


class Mutant(NamedTuple):
    """One fault: an operator of cosmic-ray, which of its places in the file, and where that is."""

    file: str
    operator: str
    occurrence: int
    line: int
    column: int


def mutants(file: Path) -> list[list[Mutant]]:
    """All mutants of a file, those of one place together."""
    import parso  # noqa: F401 - cosmic-ray's own import of it goes round in a circle
    from cosmic_ray.ast import Visitor, get_ast
    from cosmic_ray.plugins import get_operator, operator_names

    operators = [(name, get_operator(name)) for name in operator_names()]
    alike: dict[str, list[tuple[str, Any]]] = {}  # a binary operator's substitutes have the same places
    for name, operator in operators:
        if not operator.arguments():
            alike.setdefault(name.rpartition("_")[0] if "Binary" in name else name, []).append((name, operator()))
    seen = dict.fromkeys((name for name, _ in operators), 0)
    places: dict[tuple[int, int], list[Mutant]] = {}

    class Collect(Visitor):  # type: ignore[misc]
        def visit(self, node: Any) -> Any:
            if node.type in ("name", "string", "newline") or getattr(node, "value", "") in PUNCTUATION:
                return node  # no operator is about these
            for kin in alike.values():
                if positions := list(kin[0][1].mutation_positions(node)):
                    for name, _ in kin:
                        for line, column in [start for start, _ in positions]:
                            mutant = Mutant(str(file), name, seen[name], line, column)
                            places.setdefault((line, column), []).append(mutant)
                            seen[name] += 1
            return node

    Collect().walk(get_ast(file.read_text()))
    return list(places.values())


def drawn(files: list[Path]) -> list[Mutant]:
    """All mutants in an order that the seed decides: one of each place, then a second one of each that has it, ..."""
    generator = random.Random(SEED)
    places = [place for file in files for place in mutants(file)]
    for place in places:
        generator.shuffle(place)
    generator.shuffle(places)
    return [mutant for nth in itertools.zip_longest(*places) for mutant in nth if mutant is not None]


def mutate(mutant: Mutant, source: str) -> str | None:
    """The file's text with the fault in it; None where it is no Python, or says what it said before."""
    import parso  # noqa: F401
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator

    text = mutate_code(source, get_operator(mutant.operator)(), mutant.occurrence)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # `x is 1`: a linter's find
            compiled(text, Path(mutant.file))
    except SyntaxError:
        return None
    return str(text) if meaning(text) != meaning(source) else None


def meaning(source: str) -> str:
    """The syntax tree without type hints and docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        for name in ("annotation", "returns"):
            if getattr(node, name, None) is not None:
                setattr(node, name, ast.Constant(None))
        body = getattr(node, "body", None)
        if isinstance(body, list) and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            body[0].value = ast.Constant(None)
    return ast.dump(tree)


def compiled(text: str, path: Path) -> CodeType:
    return compile(text, str(path), "exec", dont_inherit=True)  # no __future__ of this file


def swaps(old: CodeType, new: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    """The functions that differ between two compilations of a file; ImportError if what runs on import does."""
    if old.co_flags & 0x01:  # a function, and no body of a module or class
        if old != new:
            yield old, new
    elif on_import(old) != on_import(new):
        raise ImportError
    parts = [[part for part in code.co_consts if isinstance(part, CodeType)] for code in (old, new)]
    for a, b in zip(*parts, strict=True):
        yield from swaps(a, b)


def on_import(code: CodeType) -> tuple[Any, ...]:
    return code.co_code, code.co_names, repr([x for x in code.co_consts if not isinstance(x, CodeType)])


def functions_below(folder: Path) -> Functions:
    """All functions that live, by their code, of which several may share one."""
    found: Functions = {}
    for function in gc.get_objects():
        if type(function) is FunctionType and function.__code__.co_filename.startswith(str(folder)):
            found.setdefault(function.__code__, []).append(function)
    return found


def put_into(functions: Functions, path: Path, text: str, called_on_import: set[CodeType]) -> None:
    """Give functions a mutant's code; ImportError where a new import is due for it to have its effect."""
    found = 0
    for old, new in swaps(compiled(path.read_text(), path), compiled(text, path)):
        if old in called_on_import:
            raise ImportError
        for function in functions.get(old, []):
            try:
                function.__code__ = new
            except ValueError as error:  # it refers to other variables
                raise ImportError from error
            found += 1
    if not found:
        raise ImportError


def put_into_import(path: Path, text: str) -> None:
    """Have the import of a file give a mutant."""
    get_code = importlib.machinery.SourceFileLoader.get_code

    def mutated(self: Any, name: str) -> CodeType | None:
        return compiled(text, path) if self.path == str(path) else get_code(self, name)

    importlib.machinery.SourceFileLoader.get_code = mutated  # type: ignore[method-assign]
