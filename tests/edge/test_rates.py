"""The rate, alone, with a clock that the tests move."""

from hypothesis import given
from hypothesis import strategies as st

from taskapi.edge.rates import MAX_KEYS, WINDOW_SECONDS, Rate


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_whole_quota_may_be_used_at_once_and_comes_back_evenly() -> None:
    clock = Clock()
    rate = Rate(20, clock)
    assert [rate.spend("alice", 1) for _ in range(20)] == [
        (left, 0.0) for left in range(19, -1, -1)
    ]
    left, wait = rate.spend("alice", 4)
    assert (left, round(wait, 6)) == (0, 2.0)
    assert rate.spend("bob", 20) == (0, 0.0)
    clock.now += wait
    assert rate.spend("alice", 4) == (0, 0.0)
    assert rate.spend("alice", 1)[1] > 0
    clock.now += WINDOW_SECONDS
    assert rate.spend("alice", 1) == (19, 0.0)


def test_what_weighs_more_than_the_quota_takes_all_of_it() -> None:
    """It would never be served otherwise."""
    clock = Clock()
    rate = Rate(5, clock)
    assert rate.spend("alice", 10) == (0, 0.0)
    left, wait = rate.spend("alice", 10)
    assert (left, round(wait, 6)) == (0, WINDOW_SECONDS)


REQUESTS = st.lists(st.tuples(st.floats(0, 15), st.integers(1, 20)), max_size=60)


@given(st.integers(1, 1000), REQUESTS)
def test_a_rate_gives_what_it_says(quota: int, requests: list[tuple[float, int]]) -> None:
    """Never more than the quota and what has come back, and what it said at the time it said."""
    clock = Clock()
    rate = Rate(quota, clock)
    level = float(quota)  # of a bucket that is filled evenly
    for pause, wanted in requests:
        clock.now += pause
        level = min(quota, level + pause * quota / WINDOW_SECONDS)
        units = min(wanted, quota)
        left, wait = rate.spend("alice", units)
        if wait:
            assert level < units + 1e-3
            clock.now += wait
            level = min(quota, level + wait * quota / WINDOW_SECONDS)
            left, wait = rate.spend("alice", units)
            assert wait == 0
        level -= units
        assert level > -1e-3
        assert abs(left - level) < 1.001


def test_a_key_is_forgotten_when_its_quota_is_whole() -> None:
    clock = Clock()
    rate = Rate(10, clock)
    for number in range(1000):
        rate.spend(str(number), 10)
        clock.now += 1
    assert len(rate) <= 2 * WINDOW_SECONDS


def test_a_key_is_not_forgotten_before() -> None:
    """Whenever it was used within a generation, and however often generations change."""
    for moment in (0.0, 5.0, 9.99):
        clock = Clock()
        rate = Rate(10, clock)
        rate.spend("other", 1)
        clock.now += moment
        rate.spend("alice", 10)
        for _ in range(9):
            clock.now += 1
            rate.spend("other", 1)
            assert rate.spend("alice", 10)[1] > 0


def test_there_are_never_more_keys_than_two_generations() -> None:
    rate = Rate(10)
    for number in range(5 * MAX_KEYS):
        rate.spend(str(number), 1)
    assert len(rate) <= 2 * MAX_KEYS
