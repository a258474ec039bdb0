"""Places find the put of every item that is got, whatever else happens to the queue."""

from __future__ import annotations

import queue

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortprobe.capture.handovers.queue_places import Heap, Line, Places, Stack

steps = st.lists(st.sampled_from(["remembered", "put", "get", "get", "clear"]), max_size=40)


@pytest.mark.parametrize(
    ("make", "places"), [(queue.Queue, Line), (queue.LifoQueue, Stack), (queue.PriorityQueue, Heap)]
)
@given(steps=steps, before=st.integers(0, 3), priorities=st.randoms(use_true_random=False))
def test_each_get_is_given_the_token_of_its_put(
    make: type[queue.Queue], places: type[Places], steps: list[str], before: int, priorities
) -> None:
    real, known = make(), places()
    kept = [
        (priorities.random(), -1 - number, None) for number in range(before)
    ]  # alive to the end, and so apart by identity
    for item in kept:
        real.put(item)
    for token, step in enumerate(steps):
        if step == "clear":
            with real.mutex:
                real.queue.clear()
        elif step == "get":
            if not real.empty():
                item = real.get()
                assert known.got(real.qsize() + 1, item) == item[2]
        else:
            item = (priorities.random(), token, token if step == "remembered" else None)
            kept.append(item)
            known.put(real.qsize(), item, item[2])
            real.put(item)
    assert len(known) <= len(kept)


@pytest.mark.parametrize("places", [Line, Stack, Heap])
def test_nothing_is_kept_of_what_was_got(places: type[Places]) -> None:
    known = places()
    for round_ in range(3):
        known.put(0, None, round_)
        assert len(known) == 1
        assert known.got(1, None) == round_
        assert len(known) == 0
