"""Binance spot and USD-M futures.

Error codes: developers.binance.com, "Error codes" of the spot and the USD-M API. A code is among
the rejects only where its text says that the request was refused; -1000, -1001, -1006, -1007,
-1008 and -1016 say that something failed inside, which is no statement about the order.
"""

from __future__ import annotations

from engine.ports.live import DeadMan, FaultKind
from engine.ports.venue import VenueAbilities
from engine.venues.quirks.shape import Quirks, Road

_REFUSED = FaultKind.REFUSED

_ILLEGAL = {
    # The request was malformed, a parameter is missing, unknown, empty or out of range.
    str(code): _REFUSED
    for code in (
        *range(-1109, -1099),
        *(-1111, -1112, -1114, -1115, -1116, -1117, -1118, -1119, -1120, -1121),
        *(-1125, -1127, -1128, -1130, -1131, -1134, -1135, -1136, -1145, -1151),
    )
}

_COMMON_REJECTS = {
    **_ILLEGAL,
    "-1002": FaultKind.KEY,  # UNAUTHORIZED
    "-1003": FaultKind.LIMITED,  # TOO_MANY_REQUESTS
    "-1013": _REFUSED,  # a filter failed
    "-1014": _REFUSED,  # UNKNOWN_ORDER_COMPOSITION
    "-1015": FaultKind.LIMITED,  # TOO_MANY_ORDERS
    "-1020": _REFUSED,  # UNSUPPORTED_OPERATION
    "-1021": FaultKind.CLOCK,  # INVALID_TIMESTAMP
    "-1022": FaultKind.KEY,  # INVALID_SIGNATURE
    "-2010": _REFUSED,  # NEW_ORDER_REJECTED, but see `already_there`
    "-2014": FaultKind.KEY,  # BAD_API_KEY_FMT
    "-2015": FaultKind.KEY,  # REJECTED_MBX_KEY: key, address or permission
}

_ORDER_LIMITS = frozenset({"-1015"})

_COMMON_FAULTS = {
    "-1000": FaultKind.OVERLOADED,  # UNKNOWN
    "-1001": FaultKind.OVERLOADED,  # DISCONNECTED
    "-1006": FaultKind.OVERLOADED,  # UNEXPECTED_RESP: execution status unknown
    "-1007": FaultKind.TIMEOUT,  # backend timed out: execution status unknown
    "-1008": FaultKind.OVERLOADED,  # SERVER_BUSY
    "-1016": FaultKind.MAINTENANCE,  # SERVICE_SHUTTING_DOWN
    "-2011": _REFUSED,  # CANCEL_REJECTED
    "-2013": _REFUSED,  # NO_SUCH_ORDER
}

_USDM_REJECTS = {
    str(code): _REFUSED
    for code in (
        -2018,  # BALANCE_NOT_SUFFICIENT
        -2019,  # MARGIN_NOT_SUFFICIEN
        -2020,  # UNABLE_TO_FILL
        -2021,  # ORDER_WOULD_IMMEDIATELY_TRIGGER
        -2022,  # REDUCE_ONLY_REJECT
        -2023,  # USER_IN_LIQUIDATION
        -2024,  # POSITION_NOT_SUFFICIENT
        -2025,  # MAX_OPEN_ORDER_EXCEEDED
        -2026,  # REDUCE_ONLY_ORDER_TYPE_NOT_SUPPORTED
        -2027,  # MAX_LEVERAGE_RATIO
        -2028,  # MIN_LEVERAGE_RATIO
        *range(-4018, -4000),  # prices, quantities, steps and lengths out of bounds
        -4023,  # QTY_NOT_INCREASED_BY_STEP_SIZE
        -4024,  # PRICE_LOWER_THAN_MULTIPLIER_DOWN
        -4029,  # BAD_TICK_SIZE_PRECISION
        -4030,  # BAD_STEP_SIZE_PRECISION
        -4045,  # MAX_STOP_ORDER_EXCEEDED
        -4061,  # POSITION_SIDE_NOT_MATCH
        -4108,  # symbol is settling or not trading
        -4118,  # REDUCE_ONLY_MARGIN_CHECK_FAILED
        -4131,  # MARKET_ORDER_REJECT: counterparty's best price breaks PERCENT_PRICE
        -4140,  # INVALID_SYMBOL_STATUS
        -4164,  # MIN_NOTIONAL
        -4183,  # price above the band
        -4184,  # price below the band
        -4192,  # cooling-off period
        -5021,  # FOK_ORDER_REJECT
        -5022,  # GTX_ORDER_REJECT: post-only would take
    )
} | {"-5028": FaultKind.CLOCK}  # outside the matching engine's receive window

BINANCE_SPOT = Quirks(
    venue="binance_spot",
    ccxt_id="binance",
    road=Road.BINANCE_SPOT,
    ccxt_options={
        "defaultType": "spot",
        "fetchMarkets": {"types": ["spot"]},
        "fetchCurrencies": False,
        "fetchMargins": False,
        "recvWindow": 5_000,
        "warnOnFetchOpenOrdersWithoutSymbol": False,
    },
    receive_window_ms=5_000,
    sends_receive_window=True,
    proves_limits=True,
    order_limits=_ORDER_LIMITS,
    rejects=_COMMON_REJECTS,
    faults=_COMMON_FAULTS,
    already_there={"-2010": "duplicate"},
    not_working=frozenset({"-2011", "-2013"}),
    filter_codes=frozenset({"-1013", "-1111"}),
    abilities=VenueAbilities(has_stop=True, has_reduce_only=False, shows_own_orders=True),
    dead_man=DeadMan.RESTING_STOPS,
    fee_assets=("BNB",),
    has_user_stream=True,
    trades_page=1_000,
    trades_window_s=86_400,
)

BINANCE_USDM = Quirks(
    venue="binance_usdm",
    ccxt_id="binanceusdm",
    road=Road.BINANCE_USDM,
    ccxt_options={
        "defaultType": "swap",
        "defaultSubType": "linear",
        "fetchMarkets": {"types": ["linear"]},
        "fetchCurrencies": False,
        "fetchMargins": False,
        "recvWindow": 5_000,
    },
    receive_window_ms=5_000,
    sends_receive_window=True,
    proves_limits=True,
    order_limits=_ORDER_LIMITS,
    rejects=_COMMON_REJECTS | _USDM_REJECTS,
    faults=_COMMON_FAULTS,
    # -4116: DUPLICATED_CLIENT_TRAN_ID.
    already_there={"-2010": "duplicate", "-4116": ""},
    not_working=frozenset({"-2011", "-2013"}),
    filter_codes=frozenset(
        {"-1013", "-1111", "-4003", "-4004", "-4005", "-4014", "-4023", "-4164"}
    ),
    abilities=VenueAbilities(has_stop=True, has_reduce_only=True, shows_own_orders=True),
    dead_man=DeadMan.VENUE_TIMER,
    has_positions=True,
    fee_assets=("BNB",),
    has_user_stream=True,
    trades_page=1_000,
    trades_window_s=7 * 86_400,
)
