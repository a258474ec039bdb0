from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from ortprobe.report.text.bars import FILLS
from ortprobe.report.text.encoding import encodable, print_encodable
from ortprobe.report.text.sparkline import BLOCKS


def test_blocks_become_ascii_that_can_be_told_apart():
    for told_apart in (BLOCKS, FILLS):
        shown = encodable("".join(told_apart), "ascii")
        assert shown.isascii()
        assert len(set(shown)) == len(told_apart)
    assert encodable("▁█", "utf-8") == "▁█"


def test_an_encoding_with_some_of_the_blocks_uses_none_of_them():
    """Code page 437 has ▄ and █, and no other height."""
    assert encodable("▁▄█", "cp437") == encodable("▁▄█", "ascii")


@pytest.mark.parametrize(("encoding", "shown"), [("ascii", "1 us x 2~ -?"), ("latin-1", "1 µs × 2~ -?")])
def test_signs_become_what_is_like_them_and_others_a_question_mark(encoding, shown):
    assert encodable("1 µs × 2… –語", encoding) == shown


@given(st.text(), st.sampled_from(["ascii", "latin-1", "cp1252", "utf-8"]))
def test_everything_can_be_encoded_and_keeps_its_length(text, encoding):
    text = text.encode("utf-8", "ignore").decode()
    shown = encodable(text, encoding)
    shown.encode(encoding)
    assert len(shown) == len(text)


def test_what_is_printed_is_in_the_consoles_encoding():
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    print_encodable(Console(file=file, width=40), lambda console: console.print("▁█ 1 µs"))
    assert file.buffer.getvalue() == b".# 1 us\n"
