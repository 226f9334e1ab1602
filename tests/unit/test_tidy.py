"""The house's own rules, where no linter has them."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = sorted((ROOT / "src").rglob("*.py"))
WEB = [
    path
    for folder in ("client", "react", "pages")
    for path in sorted((ROOT / "web" / folder / "src").rglob("*.ts*"))
]
FORBIDDEN = re.compile("TO" + "DO|FIX" + "ME|XX" + "X|NotImplemented" + "Error")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", [*PYTHON, *WEB], ids=name)
def test_a_module_is_one_concept_and_says_nothing_it_puts_off(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 500
    assert not FORBIDDEN.search(text)
    assert path.stem not in {"utils", "helpers", "common", "misc"}


@pytest.mark.parametrize("path", PYTHON, ids=name)
def test_a_function_fits_on_a_page(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            longest = 90 if node.name == "quiz_routes" else 70  # a list of handlers
            assert length <= longest, f"{node.name} has {length} lines"


def test_lock_files_name_no_address() -> None:
    locks = [*ROOT.glob("requirements*.lock"), ROOT / "web" / "package-lock.json"]
    for path in locks:
        text = path.read_text("utf-8")
        assert not re.search(r'"resolved": *"https?:|--(extra-)?index-url|--find-links', text)
    for path in ROOT.glob("requirements*.lock"):
        assert "--hash=sha256:" in path.read_text("utf-8")
        assert "http://" not in path.read_text("utf-8")
        assert "https://" not in path.read_text("utf-8")
