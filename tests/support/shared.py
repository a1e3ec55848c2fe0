"""Where the recorded market data lies: `../shared/data`, beside the checkout, not part of it."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
DATA = SHARED / "data"
BINANCE = DATA / "captures" / "binance"

needs_shared = pytest.mark.skipif(
    not DATA.is_dir(), reason=f"the recorded market data is not at {DATA}"
)


def capture(*names: str) -> list[Path]:
    """Binance captures by their names without ending, for instance `usdm_btcusdt_20240808`."""
    return [BINANCE / f"{name}.gz" for name in names]
