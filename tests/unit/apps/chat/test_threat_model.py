"""The threat model is kept: each promise is played by a test that names it."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
PAGE = ROOT / "docs" / "explain" / "threat-model.md"
LINE = re.compile(r"^\* \*\*(P\d+)\*\*", re.MULTILINE)
NUMBERS = {f"P{number}" for number in range(1, 25)}


def section(title: str) -> list[str]:
    """Return the numbers that stand under a heading."""
    after = PAGE.read_text("utf-8").split(f"\n## {title}\n")[1]
    return LINE.findall(after.split("\n## ")[0])


PROMISES = section("Promises")


@cache
def promises_played() -> dict[str, list[str]]:
    """Read which tests say in their docstring which promise they play."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        source = path.read_text("utf-8")
        if "Threat model P" not in source:
            continue
        for node in ast.walk(ast.parse(source)):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            said = ast.get_docstring(node) or ""
            if node.name.startswith("test_") and said.startswith("Threat model P"):
                for promise in re.findall(r"\bP\d+\b", said.split(":")[0]):
                    found[promise].append(f"{path.relative_to(ROOT)}::{node.name}")
    return found


def test_every_number_stands_once_as_a_promise_or_as_not_promised_yet() -> None:
    stands = [*PROMISES, *section("Meant, and not promised yet")]
    assert len(stands) == len(set(stands))
    assert set(stands) == NUMBERS


@pytest.mark.parametrize("promise", PROMISES)
def test_each_promise_is_played_by_a_test(promise: str) -> None:
    assert promises_played()[promise], f"no test says 'Threat model {promise}: …'"


def test_no_test_names_a_promise_that_is_not_made() -> None:
    assert set(promises_played()) <= NUMBERS
