"""No name, however it is put together, leads out of the public folder."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.apps.i3 import limits
from holdfast.apps.i3.errors import I3Code, I3Error
from holdfast.apps.i3.gateway.oob.sandbox import FileRefusedError, Sandbox
from holdfast.apps.i3.packets import FileResult

PARTS = st.sampled_from(
    [
        "..",
        ".",
        "",
        "maps",
        "way out",
        "up",
        "link",
        "secret",
        "hello",
        "\0",
        "a\nb",
        "new",
        "x" * 256,
        "é",
    ]
)
NAMES = st.lists(PARTS, max_size=6).map("/".join)


def public_in(outside: Path) -> Path:
    public = outside / "public"
    (public / "maps").mkdir(parents=True)
    (outside / "secret").write_text("secret")
    (public / "hello").write_text("hello")
    (public / "link").symlink_to(outside / "secret")
    (public / "way out").symlink_to(outside)
    (public / "maps" / "up").symlink_to("..")
    return public


def seen(folder: Path) -> dict[str, str]:
    return {
        each.name: each.read_text() if each.is_file() else ""
        for each in folder.iterdir()
        if each.name != "public"
    }


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["read", "rows", "write"]), NAMES), max_size=8))
def test_whatever_is_asked_for_nothing_outside_is_read_listed_or_changed(
    asked: list[tuple[str, str]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        outside = Path(folder)
        sandbox = Sandbox(public_in(outside), is_writable=True)
        before = seen(outside)
        for number, (what, name) in enumerate(asked):
            with suppress(FileRefusedError):
                if what == "read":
                    assert sandbox.read(name) in {"hello", "new"}
                elif what == "rows":
                    assert {row.name for row in sandbox.rows(name)} <= {
                        "hello", "maps", "new", "secret", "é",
                    }  # fmt: skip
                else:
                    sandbox.write(name, "new", f"{number}")
        assert seen(outside) == before


def test_a_folder_that_is_not_there_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(I3Error) as refused:
        Sandbox(tmp_path / "nowhere")
    assert refused.value.code == I3Code.FILE_REFUSED


def test_a_full_folder_takes_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "OOB_FILES_MAX", 2)
    sandbox = Sandbox(tmp_path, is_writable=True)
    sandbox.write("one", "1", "a")
    sandbox.write("two", "2", "b")
    with pytest.raises(FileRefusedError) as refused:
        sandbox.write("three", "3", "c")
    assert refused.value.result is FileResult.NOT_WRITABLE
    assert sorted(each.name for each in tmp_path.iterdir()) == ["one", "two"]


def test_a_list_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "OOB_LISTED_MAX", 3)
    for number in range(5):
        (tmp_path / f"{number}").write_text("")
    assert len(Sandbox(tmp_path).rows("")) == 3
