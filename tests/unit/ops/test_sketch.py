"""Percentiles in bounded memory."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from holdfast.ops import Sketch, Trend


@given(
    st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=300),
    st.sampled_from([0.0, 0.5, 0.95, 0.99, 1.0]),
)
def test_a_quantile_is_wrong_by_two_per_cent_at_most(values: list[float], share: float) -> None:
    sketch = Sketch()
    for value in values:
        sketch.add(value)
    exact = sorted(values)[int(share * (len(values) - 1))]
    assert abs(sketch.quantile(share) - exact) <= 0.0201 * exact
    assert sketch.count == len(values)


@given(st.lists(st.floats(0, 1e3)), st.lists(st.floats(0, 1e3)))
def test_two_sketches_add_up(ours: list[float], theirs: list[float]) -> None:
    one, two, both = Sketch(), Sketch(), Sketch()
    for value in ours:
        one.add(value)
        both.add(value)
    for value in theirs:
        two.add(value)
        both.add(value)
    one.merge(two)
    assert one.quantile(0.9) == both.quantile(0.9)
    assert (one.count, one.largest) == (both.count, both.largest)


def test_nothing_is_nought() -> None:
    assert Sketch().quantile(0.5) == 0.0


def test_windows_forget_and_memory_is_bounded() -> None:
    source = random.Random(1)
    trend = Trend()
    for second in range(7200):
        for _ in range(5):
            trend.observe(second, source.lognormvariate(0, 3))
    assert 250 <= trend.over(7200, 60).count <= 330
    assert 1450 <= trend.over(7200, 300).count <= 1530
    assert 17_600 <= trend.over(7200, 3600).count <= 18_000
    assert len(trend.series(7200, 300)) <= 61
    assert len(trend.series(7200, 3600)) <= 60
    buckets = [len(sketch._buckets) for _, sketch in trend.series(7200, 3600)]
    assert max(buckets) < 300, "six orders of magnitude"
