"""Every way in which the drill exchange can fail a trader, as data.

A fault strikes at one *seam*: where in the life of a byte it can be injected, and which events
number it. The words are for a person who watches a drill.
"""

from __future__ import annotations

import enum
from typing import NamedTuple


class Seam(enum.StrEnum):
    REQUEST = "request"
    """One request; subject: `POST /api/v3/order`, on a websocket API `WS order.place`."""
    CONNECT = "connect"
    """A websocket that is about to be opened; subject: its path."""
    FRAME = "frame"
    """One outgoing websocket message; subject: the stream, `btcusdt@depth`, and for the user
    stream `user/` with the event's words: `user/executionReport/TRADE/FILLED`."""
    VENUE = "venue"
    """A state of the venue that may hold for a while; subject: a symbol where it has one. Begins
    at a time, or with the n-th request of a route."""


class FaultKind(enum.StrEnum):
    # -- network, around one request
    DROP_BEFORE = "drop-before"
    DROP_AFTER = "drop-after"
    RESET_AFTER = "reset-after"
    HANG_BEFORE = "hang-before"
    HANG_AFTER = "hang-after"
    DELAY_BEFORE = "delay-before"
    DELAY_AFTER = "delay-after"
    DUPLICATE_REQUEST = "duplicate-request"
    REORDER_REQUEST = "reorder-request"
    SLOW_BODY = "slow-body"
    CUT_BODY = "cut-body"
    TRUNCATED_JSON = "truncated-json"
    WRONG_CONTENT_TYPE = "wrong-content-type"
    CAPTIVE_PORTAL = "captive-portal"
    # -- network, where a connection is made
    CONNECTION_REFUSED = "connection-refused"
    SOCKET_REFUSED = "socket-refused"
    BLACK_HOLE = "black-hole"
    CUT_IN_TLS = "cut-in-tls"
    CERTIFICATE_EXPIRED = "certificate-expired"
    CERTIFICATE_WRONG_NAME = "certificate-wrong-name"
    CERTIFICATE_UNKNOWN_CA = "certificate-unknown-ca"
    NAME_UNKNOWN = "name-unknown"
    # -- network, around one frame
    CONNECTION_RESET = "connection-reset"
    HALF_OPEN = "half-open"
    CUT_IN_FRAME = "cut-in-frame"
    FRAME_LOST = "frame-lost"
    FRAME_LATE = "frame-late"
    FRAME_TWICE = "frame-twice"
    FRAMES_SWAPPED = "frames-swapped"
    FRAME_CUT = "frame-cut"
    FRAME_GARBAGE = "frame-garbage"
    FRAME_HUGE = "frame-huge"
    STREAM_CLOSED = "stream-closed"
    # -- the venue's answers
    TOO_MANY_REQUESTS = "too-many-requests"
    BAN = "ban"
    WAF = "waf"
    ERROR_AFTER = "error-after"
    ERROR_BEFORE = "error-before"
    TIMEOUT_1007_AFTER = "timeout-1007-after"
    TIMEOUT_1007_BEFORE = "timeout-1007-before"
    UNKNOWN_1006_AFTER = "unknown-1006-after"
    UNKNOWN_1006_BEFORE = "unknown-1006-before"
    OVERLOADED_1008 = "overloaded-1008"
    BAD_TIMESTAMP_1021 = "bad-timestamp-1021"
    KEY_REVOKED_2015 = "key-revoked-2015"
    ORDER_REFUSED = "order-refused"
    QUERY_LAG = "query-lag"
    # -- the venue's state
    MAINTENANCE = "maintenance"
    SYMBOL_BREAK = "symbol-break"
    SYMBOL_HALT = "symbol-halt"
    SYMBOL_DELISTED = "symbol-delisted"
    FILTER_CHANGE = "filter-change"
    FEE_CHANGE = "fee-change"
    CLOCK_SKEW = "clock-skew"
    STREAM_TERMINATED = "stream-terminated"
    FORCED_DISCONNECT = "forced-disconnect"
    SERVER_SHUTDOWN = "server-shutdown"
    KEY_REVOKED = "key-revoked"
    CANCELED_BY_VENUE = "canceled-by-venue"
    FILL_BEFORE_CANCEL = "fill-before-cancel"
    EXPIRED_IN_MATCH = "expired-in-match"
    FOREIGN_ORDER = "foreign-order"
    ORDER_ID_REUSED = "order-id-reused"
    # -- data
    DEPTH_GAP = "depth-gap"
    DEPTH_OVERLAP = "depth-overlap"
    STALE_SNAPSHOT = "stale-snapshot"
    SNAPSHOT_BEHIND = "snapshot-behind"
    CROSSED_BOOK = "crossed-book"
    LOCKED_BOOK = "locked-book"
    EMPTY_BOOK = "empty-book"
    PRICE_SPIKE = "price-spike"
    NUMBER_ZERO = "number-zero"
    NUMBER_NEGATIVE = "number-negative"
    NUMBER_NAN = "number-nan"
    NUMBER_1E400 = "number-1e400"
    REPORT_TWICE = "report-twice"
    REPORTS_SWAPPED = "reports-swapped"
    FILL_MISSING = "fill-missing"
    FILL_BEFORE_NEW = "fill-before-new"
    FILL_AFTER_CANCELED = "fill-after-canceled"
    UNKNOWN_STATUS = "unknown-status"
    BALANCE_LATE = "balance-late"
    # -- the market
    CRASH = "crash"
    FLASH = "flash"
    FROZEN = "frozen"


class FaultEntry(NamedTuple):
    seam: Seam
    words: str
    default_subject: str = "*"
    """What it strikes when a rule names nothing."""
    amount: float = 0.0
    """What `amount` stands for is in the words; this is its default."""
    for_s: float = 0.0
    """How long it holds, unless a rule says."""


_ANY_FRAME = "*@*|user/*"
"""Any but acknowledgements."""
_ORDER = "POST *order"
_DEPTH = "*@depth*"
_REPORT = "user/executionReport/*|user/ORDER_TRADE_UPDATE/*"
_NEW = "user/executionReport/NEW/*|user/ORDER_TRADE_UPDATE/NEW/*"
_FILL = "user/executionReport/TRADE/*|user/ORDER_TRADE_UPDATE/TRADE/*"
_BALANCE = "user/outboundAccountPosition*|user/ACCOUNT_UPDATE*"
_QUOTES = "*@trade|*@aggTrade|*@depth*|*@bookTicker"
_SNAPSHOT = "GET *depth"
_DAY_S = 86_400.0

CATALOGUE: dict[FaultKind, FaultEntry] = {
    FaultKind.DROP_BEFORE: FaultEntry(
        Seam.REQUEST, "the connection ends before the request is read"
    ),
    FaultKind.DROP_AFTER: FaultEntry(
        Seam.REQUEST, "done, but the connection ends without an answer"
    ),
    FaultKind.RESET_AFTER: FaultEntry(Seam.REQUEST, "done, but the connection is reset (RST)"),
    FaultKind.HANG_BEFORE: FaultEntry(
        Seam.REQUEST, "nothing is done and nothing answered", for_s=60
    ),
    FaultKind.HANG_AFTER: FaultEntry(Seam.REQUEST, "done, but never answered", for_s=60),
    FaultKind.DELAY_BEFORE: FaultEntry(Seam.REQUEST, "for_s pass before it is done", for_s=3),
    FaultKind.DELAY_AFTER: FaultEntry(Seam.REQUEST, "done at once, answered for_s later", for_s=3),
    FaultKind.DUPLICATE_REQUEST: FaultEntry(Seam.REQUEST, "the venue receives it twice", _ORDER),
    FaultKind.REORDER_REQUEST: FaultEntry(Seam.REQUEST, "the next request overtakes it", for_s=2),
    FaultKind.SLOW_BODY: FaultEntry(Seam.REQUEST, "the answer drips in over for_s", for_s=20),
    FaultKind.CUT_BODY: FaultEntry(Seam.REQUEST, "the connection ends in the middle of the answer"),
    FaultKind.TRUNCATED_JSON: FaultEntry(Seam.REQUEST, "half of the JSON, as if it were all"),
    FaultKind.WRONG_CONTENT_TYPE: FaultEntry(Seam.REQUEST, "the right answer, called text/html"),
    FaultKind.CAPTIVE_PORTAL: FaultEntry(Seam.REQUEST, "status 200 and the log-in page of a hotel"),
    FaultKind.CONNECTION_REFUSED: FaultEntry(Seam.VENUE, "nobody listens", for_s=5),
    FaultKind.SOCKET_REFUSED: FaultEntry(Seam.CONNECT, "503 instead of a websocket"),
    FaultKind.BLACK_HOLE: FaultEntry(
        Seam.CONNECT, "a websocket is asked for, and no byte ever comes"
    ),
    FaultKind.CUT_IN_TLS: FaultEntry(Seam.VENUE, "TLS handshakes are cut off", for_s=5),
    FaultKind.CERTIFICATE_EXPIRED: FaultEntry(Seam.VENUE, "the certificate has expired", for_s=10),
    FaultKind.CERTIFICATE_WRONG_NAME: FaultEntry(
        Seam.VENUE, "the certificate is for another name", for_s=10
    ),
    FaultKind.CERTIFICATE_UNKNOWN_CA: FaultEntry(
        Seam.VENUE, "the certificate is signed by a stranger", for_s=10
    ),
    FaultKind.NAME_UNKNOWN: FaultEntry(Seam.VENUE, "host names are not known (DNS)", for_s=5),
    FaultKind.CONNECTION_RESET: FaultEntry(Seam.FRAME, "RST instead of the frame", _ANY_FRAME),
    FaultKind.HALF_OPEN: FaultEntry(
        Seam.FRAME,
        "from here on nothing is read or written, and nothing closed",
        _ANY_FRAME,
        for_s=120,
    ),
    FaultKind.CUT_IN_FRAME: FaultEntry(Seam.FRAME, "RST in the middle of the frame", _ANY_FRAME),
    FaultKind.FRAME_LOST: FaultEntry(Seam.FRAME, "the frame is never sent", _ANY_FRAME),
    FaultKind.FRAME_LATE: FaultEntry(
        Seam.FRAME, "the frame comes for_s late; those behind it may overtake", _ANY_FRAME, for_s=3
    ),
    FaultKind.FRAME_TWICE: FaultEntry(Seam.FRAME, "the frame is sent twice", _ANY_FRAME),
    FaultKind.FRAMES_SWAPPED: FaultEntry(
        Seam.FRAME, "the next frames overtake it", _ANY_FRAME, for_s=0.3
    ),
    FaultKind.FRAME_CUT: FaultEntry(Seam.FRAME, "half of the JSON, as if it were all", _ANY_FRAME),
    FaultKind.FRAME_GARBAGE: FaultEntry(
        Seam.FRAME, "compressed rubbish (permessage-deflate)", _ANY_FRAME
    ),
    FaultKind.FRAME_HUGE: FaultEntry(Seam.FRAME, "a frame of more than 10 MiB", _ANY_FRAME),
    FaultKind.STREAM_CLOSED: FaultEntry(Seam.FRAME, "the venue closes this websocket", _ANY_FRAME),
    FaultKind.TOO_MANY_REQUESTS: FaultEntry(
        Seam.REQUEST, "429 with Retry-After of amount seconds", amount=3
    ),
    FaultKind.BAN: FaultEntry(
        Seam.REQUEST, "418: this address is banned for amount seconds", amount=3 * _DAY_S
    ),
    FaultKind.WAF: FaultEntry(Seam.REQUEST, "403 from the firewall in front of the venue"),
    FaultKind.ERROR_AFTER: FaultEntry(Seam.REQUEST, "done, but answered 503 with HTML"),
    FaultKind.ERROR_BEFORE: FaultEntry(Seam.REQUEST, "not done, and answered 503 with HTML"),
    FaultKind.TIMEOUT_1007_AFTER: FaultEntry(Seam.REQUEST, "done, but answered 504 with -1007"),
    FaultKind.TIMEOUT_1007_BEFORE: FaultEntry(
        Seam.REQUEST, "not done, and answered 504 with -1007"
    ),
    FaultKind.UNKNOWN_1006_AFTER: FaultEntry(Seam.REQUEST, "done, but answered 200 with -1006"),
    FaultKind.UNKNOWN_1006_BEFORE: FaultEntry(
        Seam.REQUEST, "not done, and answered 200 with -1006"
    ),
    FaultKind.OVERLOADED_1008: FaultEntry(Seam.REQUEST, "503 with -1008: overloaded"),
    FaultKind.BAD_TIMESTAMP_1021: FaultEntry(
        Seam.REQUEST, "400 with -1021, whatever the timestamp"
    ),
    FaultKind.KEY_REVOKED_2015: FaultEntry(Seam.REQUEST, "401 with -2015: the key is not valid"),
    FaultKind.ORDER_REFUSED: FaultEntry(Seam.REQUEST, "400 with -2010: refused", _ORDER),
    FaultKind.QUERY_LAG: FaultEntry(
        Seam.REQUEST,
        "orders and trades are not seen by questions until they are amount seconds old",
        "GET *order|GET *openOrders|GET *allOrders|GET *Trades|GET *algoOrder|GET *openAlgoOrders",
        amount=5,
    ),
    FaultKind.MAINTENANCE: FaultEntry(
        Seam.VENUE, "every request is refused: maintenance", "", for_s=20
    ),
    FaultKind.SYMBOL_BREAK: FaultEntry(Seam.VENUE, "no trading: status BREAK", for_s=15),
    FaultKind.SYMBOL_HALT: FaultEntry(Seam.VENUE, "no trading: status HALT", for_s=15),
    FaultKind.SYMBOL_DELISTED: FaultEntry(Seam.VENUE, "no longer listed", for_s=15),
    FaultKind.FILTER_CHANGE: FaultEntry(
        Seam.VENUE, "price step and smallest lot become amount times as large", amount=10
    ),
    FaultKind.FEE_CHANGE: FaultEntry(
        Seam.VENUE, "both fee rates become amount times as high", amount=2
    ),
    FaultKind.CLOCK_SKEW: FaultEntry(
        Seam.VENUE, "the venue's clock jumps by amount seconds", "", 60
    ),
    FaultKind.STREAM_TERMINATED: FaultEntry(Seam.VENUE, "the user stream is ended by an event", ""),
    FaultKind.FORCED_DISCONNECT: FaultEntry(
        Seam.VENUE, "every websocket is closed, as after 24 h", ""
    ),
    FaultKind.SERVER_SHUTDOWN: FaultEntry(
        Seam.VENUE, "serverShutdown on every websocket, closed amount seconds later", "", 2
    ),
    FaultKind.KEY_REVOKED: FaultEntry(Seam.VENUE, "the keys stop to work, for good", ""),
    FaultKind.CANCELED_BY_VENUE: FaultEntry(Seam.VENUE, "the venue cancels every open order"),
    FaultKind.FILL_BEFORE_CANCEL: FaultEntry(
        Seam.REQUEST, "half of what is open is filled just before the cancel", "DELETE *order"
    ),
    FaultKind.EXPIRED_IN_MATCH: FaultEntry(
        Seam.VENUE, "every open order ends as EXPIRED_IN_MATCH, as by self-trade prevention"
    ),
    FaultKind.FOREIGN_ORDER: FaultEntry(
        Seam.VENUE, "an order that nobody here placed appears, with an id that looks like ours"
    ),
    FaultKind.ORDER_ID_REUSED: FaultEntry(
        Seam.VENUE, "an order appears under the client order id of one that has ended"
    ),
    FaultKind.DEPTH_GAP: FaultEntry(Seam.FRAME, "an update of the book is left out", _DEPTH),
    FaultKind.DEPTH_OVERLAP: FaultEntry(
        Seam.FRAME, "an update repeats numbers of the one before", _DEPTH
    ),
    FaultKind.STALE_SNAPSHOT: FaultEntry(
        Seam.REQUEST, "the snapshot of the book is the first one ever asked for", _SNAPSHOT
    ),
    FaultKind.SNAPSHOT_BEHIND: FaultEntry(
        Seam.REQUEST, "the snapshot's number is older than every update", _SNAPSHOT
    ),
    FaultKind.CROSSED_BOOK: FaultEntry(Seam.FRAME, "a bid above the best ask", _DEPTH),
    FaultKind.LOCKED_BOOK: FaultEntry(Seam.FRAME, "a bid at the best ask", _DEPTH),
    FaultKind.EMPTY_BOOK: FaultEntry(
        Seam.REQUEST, "a snapshot of the book without bids", _SNAPSHOT
    ),
    FaultKind.PRICE_SPIKE: FaultEntry(
        Seam.FRAME, "prices of one frame are amount times as high", _QUOTES, amount=1.6
    ),
    FaultKind.NUMBER_ZERO: FaultEntry(Seam.FRAME, "a price of 0", _QUOTES),
    FaultKind.NUMBER_NEGATIVE: FaultEntry(Seam.FRAME, "a negative quantity", _QUOTES),
    FaultKind.NUMBER_NAN: FaultEntry(Seam.FRAME, "a price of NaN", _QUOTES),
    FaultKind.NUMBER_1E400: FaultEntry(Seam.FRAME, "a price of 1e400", _QUOTES),
    FaultKind.REPORT_TWICE: FaultEntry(Seam.FRAME, "an order's report comes twice", _REPORT),
    FaultKind.REPORTS_SWAPPED: FaultEntry(
        Seam.FRAME, "the next reports overtake this one", _REPORT, for_s=0.3
    ),
    FaultKind.FILL_MISSING: FaultEntry(
        Seam.FRAME, "a fill is not reported; only the next cumulative figure tells", _FILL
    ),
    FaultKind.FILL_BEFORE_NEW: FaultEntry(
        Seam.FRAME, "an order's NEW comes for_s late, after what follows it", _NEW, for_s=0.5
    ),
    FaultKind.FILL_AFTER_CANCELED: FaultEntry(
        Seam.FRAME, "a fill comes for_s late, after the end of its order", _FILL, for_s=5
    ),
    FaultKind.UNKNOWN_STATUS: FaultEntry(Seam.FRAME, "the status is a word nobody knows", _REPORT),
    FaultKind.BALANCE_LATE: FaultEntry(
        Seam.FRAME,
        "balances come for_s late",
        _BALANCE,
        for_s=3,
    ),
    FaultKind.CRASH: FaultEntry(
        Seam.VENUE, "the price falls by 5 to 10 % within a minute, and comes back in part"
    ),
    FaultKind.FLASH: FaultEntry(
        Seam.VENUE, "for for_s every price is amount times what it was", amount=0.85, for_s=4
    ),
    FaultKind.FROZEN: FaultEntry(Seam.VENUE, "sockets stay up, and nothing moves", for_s=30),
}
