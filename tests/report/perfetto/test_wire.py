"""What is encoded is what the protobuf package reads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ortprobe.report.perfetto import wire
from ortprobe.report.perfetto.wire import Fixed64s, Nested, Texts, Varints, encode, one, wrapped

protos = pytest.importorskip("perfetto.protos.perfetto.trace.perfetto_trace_pb2")

numbers = st.integers(0, (1 << 63) - 1) | st.integers(0, 300)
words = st.text(max_size=12)
rows = st.lists(st.tuples(numbers, st.booleans(), numbers, st.none() | words, st.integers(-5, 5)), max_size=8)


@given(rows, st.integers(1, 4))
def test_any_packets_are_read_back(packets, rows_at_once):
    count = len(packets)
    times, marked, flows, names, counts = ([packet[at] for packet in packets] for at in range(5))
    event = [
        Varints(number=9, values=np.ones(count, np.int64)),
        Fixed64s(number=47, values=np.array(flows, np.int64), present=np.array(marked, np.bool_)),
        Texts(
            number=23, values=[name or "" for name in names],
            present=np.array([name is not None for name in names], np.bool_),
        ),
        Varints(number=30, values=np.array(counts, np.int64)),
    ]  # fmt: skip
    fields = [
        Varints(number=8, values=np.array(times, np.int64)),
        Nested(number=11, fields=event, present=np.array(marked, np.bool_)),
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wire, "_ROWS_AT_ONCE", rows_at_once)
        read = protos.Trace.FromString(encode(count, 1, fields))
    assert [packet.timestamp for packet in read.packet] == times
    assert [packet.HasField("track_event") for packet in read.packet] == marked
    for packet, mark, flow, name, value in zip(read.packet, marked, flows, names, counts, strict=True):
        if mark:
            assert list(packet.track_event.flow_ids) == [flow]
            assert packet.track_event.HasField("name") == (name is not None)
            assert packet.track_event.name == (name or "")
            assert packet.track_event.counter_value == value


@given(st.integers(1, 2000), st.integers(0, (1 << 63) - 1))
def test_one_field_is_as_a_column_of_one(number, value):
    column = encode(1, 1, [Varints(number=number, values=np.array([value], np.int64))])
    assert wrapped(1, one(number, value)) == column


@given(st.binary(max_size=300) | st.just(b"x" * 70_000))
def test_bytes_of_any_length_are_read_back(content):
    read = protos.Trace.FromString(wrapped(1, wrapped(50, content)))
    assert [packet.compressed_packets for packet in read.packet] == [content]
