"""Our shortcut in ccxt's signing says byte for byte what ccxt says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from engine.venues.account import VenueAccount
from tests.support.accounts import spot_account
from tests.support.scripted_venue import ScriptedVenue


@pytest.fixture
async def account(tmp_path: Path) -> AsyncIterator[VenueAccount]:
    async with ScriptedVenue(tmp_path) as venue:
        made = await spot_account(venue)
        yield made
        await made.close()


_NAMES = st.text("abcXYZ09_.~-&= %é", min_size=1, max_size=8)
_VALUES = (
    st.text("abcXYZ09_.~-&= +%é/", max_size=12)
    | st.integers()
    | st.booleans()
    | st.none()
    | st.floats(allow_nan=False)
    | st.lists(st.text(max_size=3), max_size=2)
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(params=st.dictionaries(_NAMES, _VALUES, max_size=6))
@example(params={"a": "1&b=2"})
@example(params={"a": True, "b": 1, "c": 1.5})
async def test_queries_are_the_same(account: VenueAccount, params: dict[str, Any]) -> None:
    exchange = account._client.exchange
    theirs = type(exchange).__mro__[1].urlencode
    assert exchange.urlencode(dict(params)) == theirs(dict(params))
    await asyncio.sleep(0)
