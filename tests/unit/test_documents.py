"""Every example of the documentation runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from holdfast import resilience

DOCS = Path(__file__).parents[1].parent / "docs"
POLICIES = sorted((DOCS / "resilience").glob("*.md"))
PAGES = [
    page
    for page in (*POLICIES, *(DOCS / "guides").glob("*.md"))
    if "```python" in page.read_text("utf-8")
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_examples_of_a_page_run_from_top_to_bottom(page: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(page), "exec"), names)


def test_every_public_name_is_documented_somewhere() -> None:
    text = "".join(page.read_text("utf-8") for page in POLICIES)
    internal = {"exponential", "jittered", "quick", "TokenBucket"}  # for the floors above
    errors = {name for name in resilience.__all__ if name.endswith("Error")}
    missing = {
        name for name in resilience.__all__ if name not in text and name not in internal | errors
    }
    assert missing <= {"CircuitState", "PolicyEvent"} | {
        name for name in resilience.__all__ if name.endswith("_listener")
    }
