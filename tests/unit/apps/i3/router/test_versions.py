"""A list whose changes are numbered: whoever holds an older state comes to the newest by what is sent."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.apps.i3.router.versions import RESTART_GAP, Versions, pages


def write(name: str, value: int | None) -> str:
    return f"{name}={value},"


STEPS = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.none() | st.integers(0, 9), st.booleans()), max_size=40
)


@settings(deadline=None)
@given(STEPS)
def test_who_applies_what_has_changed_since_holds_what_is_there(
    steps: list[tuple[str, int | None, bool]],
) -> None:
    versions: Versions[int] = Versions(write, gone_max=100)
    held: dict[str, int] = {}
    at = 0
    for name, value, looks in steps:
        if value is None:
            versions.remove(name)
        else:
            versions.put(name, value)
        if looks:
            for change in versions.since(at):
                held.pop(change.name, None)
                if change.value is not None:
                    held[change.name] = change.value
            at = versions.last
            assert held == {each: versions.get(each) for each in held}
            assert len(held) == len(versions)


def test_what_is_gone_is_told_until_its_mark_is_forgotten() -> None:
    versions: Versions[int] = Versions(write, gone_max=2)
    held = versions.put("a", 1)
    for name in "bcd":
        versions.put(name, 1)
        versions.remove(name)
    assert [change.name for change in versions.since(held)] == ["a", "c", "d"], "everything"
    assert [change.name for change in versions.since(versions.last - 1)] == ["d"]
    assert list(versions) == [1]
    assert len(versions) == 1


def test_a_state_that_is_not_known_is_sent_everything() -> None:
    versions: Versions[int] = Versions(write, gone_max=2)
    versions.put("a", 1)
    for strange in (-1, 2, 10**12):
        assert [change.name for change in versions.since(strange)] == ["a"]
    assert versions.since(1) == []


def test_after_a_restart_everybody_is_sent_everything_and_numbers_go_on() -> None:
    versions: Versions[int] = Versions(write, gone_max=2)
    versions.restore(7, [("a", 1), ("b", None)])
    assert [change.name for change in versions.since(7)] == ["a", "b"]
    assert versions.last > 7 + RESTART_GAP
    assert versions.get("b") is None


@settings(deadline=None)
@given(st.lists(st.text("ab\u00e9", max_size=30), unique=True, max_size=20), st.integers(1, 60))
def test_parts_have_everything_once_and_are_no_larger_than_they_may(
    names: list[str], size_max: int
) -> None:
    versions: Versions[int] = Versions(write, gone_max=2)
    for name in names:
        versions.put(name, 1)
    found = list(pages(versions.since(0), size_max))
    assert [change.name for page in found for change in page] == names
    for page in found:
        size = len("".join(change.written for change in page).encode())
        assert size <= size_max or len(page) == 1
