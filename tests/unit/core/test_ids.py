from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.core import ids
from engine.core.ids import IdParts, client_order_id, parse_client_order_id
from engine.domain.errors import BadInput

parts = st.builds(
    IdParts,
    bot_index=st.integers(0, 2**ids.BOT_BITS - 1),
    intent_seq=st.integers(0, 2**ids.SEQ_BITS - 1),
    salt=st.integers(0, 2**ids.SALT_BITS - 1),
)


@given(parts)
def test_an_id_fits_every_venue_and_gives_its_parts_back(wanted: IdParts) -> None:
    text = client_order_id(*wanted)
    assert re.fullmatch(r"[a-z][a-z0-9]{17}", text)
    assert parse_client_order_id(text) == wanted


@given(parts, parts)
def test_different_intents_have_different_ids(one: IdParts, other: IdParts) -> None:
    assert (client_order_id(*one) == client_order_id(*other)) is (one == other)


@given(parts, st.integers(1, 1000))
def test_ids_of_one_bot_sort_in_the_order_of_their_intents(first: IdParts, later: int) -> None:
    second = first._replace(intent_seq=min(first.intent_seq + later, 2**ids.SEQ_BITS - 1))
    assert client_order_id(*first) <= client_order_id(*second)


def test_ids_are_the_same_in_every_release() -> None:
    assert client_order_id(3, 1_000_000, 0x123456789) == "q030000ygj04hmasw9"


@pytest.mark.parametrize(
    "foreign",
    ["", "x-TKT5PX2F0123456789", "q" * 17, "Q" + "0" * 17, "q" + "0" * 16 + "u", "ä" * 18],
)
def test_a_foreign_id_is_told_from_ours(foreign: str) -> None:
    with pytest.raises(BadInput, match="client_order_id"):
        parse_client_order_id(foreign)


def test_salts_fit_and_are_never_the_one_of_backtests() -> None:
    salts = {ids.new_salt() for _ in range(100)}
    assert len(salts) == 100
    assert all(0 < salt < 2**ids.SALT_BITS for salt in salts)


def test_command_ids_differ() -> None:
    assert len({ids.new_command_id() for _ in range(100)}) == 100


def test_a_seed_gives_the_same_numbers_and_its_streams_differ() -> None:
    first = ids.session_rng(7, 1).integers(0, 1 << 60, 5).tolist()
    assert first == ids.session_rng(7, 1).integers(0, 1 << 60, 5).tolist()
    assert first != ids.session_rng(7, 2).integers(0, 1 << 60, 5).tolist()
    assert first != ids.session_rng(8, 1).integers(0, 1 << 60, 5).tolist()
