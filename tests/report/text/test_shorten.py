from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from rich.cells import cell_len

from ortprobe.report.text.shorten import cut, shorten

NAMES = st.text(st.characters(categories=("L", "M", "N", "P", "So", "Zs")), max_size=60)
WIDE, MARKED, EMOJI = "畳み込み" * 5, "e\u0301a\u0300o\u0302" * 6, "\u2764\ufe0f\U0001f469" * 9


@pytest.mark.parametrize(
    ("text", "cells", "short"),
    [
        ("app/models/deep/model.py:12", 27, "app/models/deep/model.py:12"),
        ("app/models/deep/model.py:12", 22, "app/…/deep/model.py:12"),
        ("app/models/deep/model.py:12", 20, "…/deep/model.py:12"),
        ("app/models/deep/model.py:12", 16, "…/model.py:12"),
        ("app/models/deep/model.py:12", 12, "…model.py:12"),
        ("app/models/deep/model.py:12", 10, "mod….py:12"),
        ("/layer1/layer1.0/conv1/Conv", 26, "…/layer1.0/conv1/Conv"),
        ("app/models/model.py:12", 18, "app/…/model.py:12"),
        ("/l/convolution1/part/Conv", 18, "/l/…/part/Conv"),
        ("/layer1/layer1.0/conv1/Conv", 14, "…/conv1/Conv"),
        ("cudaStreamSynchronize", 15, "cuda…ynchronize"),
        (WIDE, 12, "畳…畳み込み"),
        (MARKED, 5, "e\u0301…e\u0301a\u0300o\u0302"),
        ("ab", 1, "…"),
        ("ab", 0, ""),
    ],
)
def test_names_lose_their_middle_whole_folders_first(text, cells, short):
    assert shorten(text, cells) == short


def test_sentences_lose_their_end():
    assert cut("The session was built again", 16) == "The session was…"
    assert cut("The session", 11) == "The session"
    assert cut("The", 0) == ""
    assert cut("The session… was built again", 13) == "The session…"
    assert cut(WIDE, 6) == "畳み…"


@given(NAMES, st.integers(0, 70))
def test_no_mark_is_left_without_its_character(text, cells):
    assume(not {"…", "/"} & set(text))
    after = shorten(text, cells).partition("…")[2]
    assert not after or cell_len(after[0])


@pytest.mark.parametrize("name", [WIDE, MARKED, EMOJI])
@pytest.mark.parametrize("cells", range(1, 18))
def test_what_is_left_is_of_the_name_and_as_wide_as_it_can_be(name, cells):
    before, _, after = shorten(name, cells).partition("…")
    assert name.startswith(before)
    assert name.endswith(after)
    assert cells - 2 <= cell_len(before) + 1 + cell_len(after) <= cells


@given(NAMES, st.integers(0, 70))
def test_nothing_is_wider_than_it_may_be_and_what_fits_stays(text, cells):
    for shortened in (cut(text, cells), shorten(text, cells)):
        assert cell_len(shortened) <= cells
        assert shortened == text or cell_len(text) > cells
