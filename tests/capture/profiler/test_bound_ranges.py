"""The set of bound ranges answers as a set of bytes would, and stays small."""

from __future__ import annotations

import random
import threading

from hypothesis import given
from hypothesis import strategies as st

from ortprobe.capture.profiler.bound_ranges import BoundRanges

stretch = st.tuples(st.integers(1, 200), st.integers(0, 30))


@given(st.lists(stretch, max_size=20), stretch)
def test_overlap_is_that_of_the_bytes(bound: list[tuple[int, int]], asked: tuple[int, int]) -> None:
    ranges = BoundRanges()
    for address, size_bytes in bound:
        ranges.add(address, size_bytes)
    taken = {byte for address, size_bytes in bound for byte in range(address, address + size_bytes)}
    assert ranges.ranges().overlap(*asked) == bool(taken & set(range(asked[0], sum(asked))))


@given(st.lists(stretch, min_size=1, max_size=60), st.integers(2, 10))
def test_full_set_forgets_no_byte_and_stays_small(bound: list[tuple[int, int]], most_ranges: int) -> None:
    ranges = BoundRanges(most_ranges)
    for address, size_bytes in bound:
        ranges.add(address, size_bytes)
        assert len(ranges) <= most_ranges
    assert all(ranges.ranges().overlap(address, size_bytes) for address, size_bytes in bound if size_bytes)


def test_full_set_joins_what_lies_closest() -> None:
    ranges = BoundRanges(4)
    for address in (1000, 1020, 5000, 9000, 20000):
        ranges.add(address, 10)
    assert ranges.ranges().overlap(1012, 4)
    assert not ranges.ranges().overlap(12000, 1000)


def test_threads_add_side_by_side() -> None:
    ranges = BoundRanges(most_ranges=1_000)
    starts = [random.Random(number).sample(range(1, 10_000_000, 64), 1_000) for number in range(4)]

    def add(addresses: list[int]) -> None:
        for address in addresses:
            ranges.add(address, 32)

    threads = [threading.Thread(target=add, args=(addresses,)) for addresses in starts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    known = ranges.ranges()
    assert len(ranges) <= 1_000
    assert all(known.overlap(address, 32) for addresses in starts for address in addresses)
