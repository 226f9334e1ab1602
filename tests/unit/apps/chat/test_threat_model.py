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
PROMISES = [f"P{number}" for number in range(1, 25)]


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


def test_the_page_promises_what_is_tested_here() -> None:
    assert re.findall(r"^\* \*\*(P\d+)\*\*", PAGE.read_text("utf-8"), re.MULTILINE) == PROMISES


@pytest.mark.parametrize("promise", PROMISES)
def test_each_promise_is_played_by_a_test(promise: str) -> None:
    assert promises_played()[promise], f"no test says 'Threat model {promise}: …'"


def test_no_test_names_a_promise_that_is_not_made() -> None:
    assert set(promises_played()) <= set(PROMISES)
