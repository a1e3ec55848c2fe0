"""Waiting for a subscription, with the reason when it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from engine.ports.live import FaultKind
from engine.venues.ccxt_client import CcxtClient
from engine.venues.classify import AskFailed

SUBSCRIBE_TIMEOUT_S = 15.0


async def confirmed(client: CcxtClient, subscription: Awaitable[Any]) -> None:
    """Wait for ccxt's `subscription`. AskFailed with the venue's own words if it gave any."""
    client.last_ws_failure = None
    try:
        async with asyncio.timeout(SUBSCRIBE_TIMEOUT_S):
            await subscription
    except TimeoutError:
        raise AskFailed(
            FaultKind.TIMEOUT,
            f"{client.quirks.venue}: the user stream was not confirmed "
            f"within {SUBSCRIBE_TIMEOUT_S:g} s",
        ) from None
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise _failed(client) from None  # ccxt cancels what waits on a socket that it closes.
    except AskFailed:
        raise
    except Exception:  # noqa: BLE001 - ccxt's classes say little; the tap has the venue's words
        raise _failed(client) from None


def _failed(client: CcxtClient) -> AskFailed:
    return client.last_ws_failure or AskFailed(
        FaultKind.NETWORK, f"{client.quirks.venue}: the user stream does not connect"
    )
