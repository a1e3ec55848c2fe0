"""Fault plans: the same traffic meets the same faults, and every kind does what it says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.errors import BadInput
from engine.drill.faults import frames, requests
from engine.drill.faults.catalogue import CATALOGUE, FaultKind, Seam
from engine.drill.faults.files import parse_plan, read_plan
from engine.drill.faults.plan import FaultDesk, FaultPlan, FaultRule, Strike, chance
from engine.drill.faults.scenarios import SCENARIOS, find_plan
from engine.drill.ports import (
    Abort,
    Close,
    Ending,
    FrameSeen,
    Reply,
    Request,
    RequestSeen,
    Send,
    SendRaw,
    Stall,
)

NOW_NS = 1_767_225_600_000_000_000
NAMED = {
    "crash", "flash", "disconnect", "stale", "reject", "clock", "ban", "maintenance", "lost-fill",
    "captive-portal",
}  # fmt: skip


def _desk(*rules: FaultRule, seed: int = 1) -> FaultDesk:
    return FaultDesk(FaultPlan(name="test", rules=rules, seed=seed))


def _numbers(desk: FaultDesk, events: int, subject: str = "POST /api/v3/order") -> list[int]:
    struck = (desk.strike(Seam.REQUEST, subject, 1.0) for _ in range(events))
    return [strike.number for strike in struck if strike is not None]


def _strike(kind: FaultKind, **fields: object) -> Strike:
    rule = FaultRule(kind=kind, **fields)  # type: ignore[arg-type]
    return Strike(rule=rule, subject="", index=0, number=1)


def _seen(path: str = "/api/v3/order", **params: str) -> RequestSeen:
    request = Request(host="api.binance.com", method="GET", path=path, params=params)
    return RequestSeen(
        request=request, dialect="binance_spot", account="a", n=1, total=1, now_ns=NOW_NS
    )


def _frame(stream: str, kind: str, document: object) -> FrameSeen:
    return FrameSeen(
        dialect="binance_spot",
        connection=1,
        stream=stream,
        kind=kind,
        account="",
        n=1,
        payload=json.dumps(document).encode(),
        now_ns=NOW_NS,
    )


DEPTH = {
    "e": "depthUpdate", "E": 1, "s": "BTCUSDT", "U": 157, "u": 160,
    "b": [["100.10", "2.0"]], "a": [["100.30", "0.0"], ["100.20", "1.0"]],
}  # fmt: skip
TRADE = {"e": "trade", "E": 1, "s": "BTCUSDT", "t": 5, "p": "100.10", "q": "1.0", "T": 1}
REPORT = {"e": "executionReport", "c": "qx", "x": "TRADE", "X": "FILLED", "z": "1.0"}


# -- when ------------------------------------------------------------------------------------------


def test_events_are_counted_by_rule() -> None:
    rule = FaultRule(kind=FaultKind.DROP_AFTER, on="POST *", at=(2, 5))
    desk = _desk(rule)
    assert desk.strike(Seam.REQUEST, "GET /api/v3/time", 1.0) is None
    assert _numbers(desk, 8) == [2, 5]
    assert desk.struck == {FaultKind.DROP_AFTER: 2}


def test_every_and_times() -> None:
    assert _numbers(_desk(FaultRule(kind=FaultKind.DROP_AFTER, every=3, times=2)), 20) == [3, 6]


def test_a_window_of_time() -> None:
    desk = _desk(FaultRule(kind=FaultKind.WAF, from_s=10, until_s=20))
    found = [
        desk.strike(Seam.REQUEST, "GET /x", second) is not None for second in (9.9, 10, 19, 20)
    ]
    assert found == [False, True, True, False]


def test_the_first_rule_wins_and_the_others_keep_their_turns() -> None:
    desk = _desk(
        FaultRule(kind=FaultKind.DROP_AFTER, at=(1,)),
        FaultRule(kind=FaultKind.DROP_BEFORE, times=1),
    )
    kinds = [desk.strike(Seam.REQUEST, "POST /o", 0.0) for _ in range(3)]
    assert [strike and strike.kind for strike in kinds] == [
        FaultKind.DROP_AFTER,
        FaultKind.DROP_BEFORE,
        None,
    ]


def test_states_begin_by_the_clock_and_again() -> None:
    desk = _desk(FaultRule(kind=FaultKind.FROZEN, from_s=5, every=10, times=2))
    begun = [second for second in range(60) if desk.states_due(second)]
    assert begun == [5, 15]


def test_states_begin_with_the_nth_request() -> None:
    desk = _desk(FaultRule(kind=FaultKind.CRASH, with_request="POST *order", at=(2,)))
    assert not desk.states_due(100.0)
    routes = ["GET /x", "POST /api/v3/order", "POST /api/v3/order", "POST /api/v3/order"]
    assert [len(desk.states_due(1.0, route)) for route in routes] == [0, 0, 1, 0]


def test_switched_off_nothing_strikes() -> None:
    desk = _desk(FaultRule(kind=FaultKind.DROP_AFTER), FaultRule(kind=FaultKind.CRASH))
    desk.switch_off()
    assert not _numbers(desk, 5)
    assert not desk.states_due(100.0)


@given(st.integers(0, 2**40), st.integers(0, 200), st.integers(0, 10**9))
def test_chance_is_a_share_and_the_same_again(seed: int, stream: int, number: int) -> None:
    first = chance(seed, stream, number)
    assert 0.0 <= first < 1.0
    assert chance(seed, stream, number) == first


@given(st.floats(0.01, 1.0), st.integers(0, 1000))
def test_a_rate_strikes_about_so_often_and_the_same_events_again(rate: float, seed: int) -> None:
    rule = FaultRule(kind=FaultKind.DROP_AFTER, rate=rate)
    events = 400
    struck = _numbers(_desk(rule, seed=seed), events)
    assert struck == _numbers(_desk(rule, seed=seed), events)
    # Six standard deviations of a fair coin of this rate.
    assert abs(len(struck) - rate * events) <= 6 * (rate * (1 - rate) * events) ** 0.5 + 1


# -- what ------------------------------------------------------------------------------------------


def _kinds(seam: Seam) -> Iterator[FaultKind]:
    return (kind for kind in FaultKind if CATALOGUE[kind].seam is seam)


def test_the_catalogue_is_whole() -> None:
    assert set(CATALOGUE) == set(FaultKind)
    assert all(entry.words for entry in CATALOGUE.values())


@pytest.mark.parametrize("kind", sorted(set(_kinds(Seam.REQUEST)) - {FaultKind.FILL_BEFORE_CANCEL}))
def test_every_request_fault_changes_something(kind: FaultKind) -> None:
    faults = requests.RequestFaults()
    path = "/api/v3/depth" if "snapshot" in CATALOGUE[kind].words else "/api/v3/order"
    young = {"orderId": 1, "time": NOW_NS // 1_000_000 - 100}
    book = {"lastUpdateId": 77, "bids": [["1", "1"]], "asks": []}
    body = json.dumps(book if path.endswith("depth") else young).encode()
    seen = _seen(path, symbol="BTCUSDT")
    if kind is FaultKind.STALE_SNAPSHOT:
        first = faults.watch(seen)
        assert first is not None
        first(Reply(body=b'{"lastUpdateId":1}'))
    fault = faults.carry_out(_strike(kind), seen)
    reply = fault.reply or Reply(body=body)
    reply = fault.change(reply) if fault.change else reply
    plain = (Reply(body=body), 0, 0, 1, Ending.WHOLE)
    assert (reply, fault.before_ns, fault.after_ns, fault.times, fault.ending) != plain


def test_what_is_refused_is_not_processed_and_what_is_lost_is() -> None:
    faults = requests.RequestFaults()
    times = {kind: faults.carry_out(_strike(kind), _seen()).times for kind in _kinds(Seam.REQUEST)
             if kind is not FaultKind.FILL_BEFORE_CANCEL}  # fmt: skip
    assert {kind for kind, count in times.items() if count == 0} == {
        FaultKind.DROP_BEFORE, FaultKind.HANG_BEFORE, FaultKind.CAPTIVE_PORTAL, FaultKind.WAF,
        FaultKind.ERROR_BEFORE, FaultKind.TIMEOUT_1007_BEFORE, FaultKind.UNKNOWN_1006_BEFORE,
        FaultKind.OVERLOADED_1008, FaultKind.BAD_TIMESTAMP_1021, FaultKind.KEY_REVOKED_2015,
        FaultKind.ORDER_REFUSED, FaultKind.TOO_MANY_REQUESTS, FaultKind.BAN,
    }  # fmt: skip
    assert times[FaultKind.DUPLICATE_REQUEST] == 2


def test_a_lagging_replica_hides_what_is_young() -> None:
    fault = requests.RequestFaults().carry_out(_strike(FaultKind.QUERY_LAG, amount=5), _seen())
    assert fault.change is not None
    now_ms = NOW_NS // 1_000_000
    orders = [{"orderId": 1, "time": now_ms - 5001}, {"orderId": 2, "time": now_ms - 4999}]
    listed = fault.change(Reply(body=json.dumps(orders).encode()))
    assert [order["orderId"] for order in json.loads(listed.body)] == [1]
    assert fault.change(Reply(body=json.dumps(orders[0]).encode())).status == 200
    young = fault.change(Reply(body=json.dumps(orders[1]).encode()))
    assert (young.status, json.loads(young.body)["code"]) == (400, -2013)


def test_a_ban_says_until_when() -> None:
    reply = requests.RequestFaults().carry_out(_strike(FaultKind.BAN, amount=60), _seen()).reply
    assert reply is not None
    assert reply.status == 418
    assert reply.headers["retry-after"] == "60"
    assert f"until {NOW_NS // 1_000_000 + 60_000}." in json.loads(reply.body)["msg"]


@pytest.mark.parametrize("kind", sorted(_kinds(Seam.FRAME)))
def test_every_frame_fault_changes_something(kind: FaultKind) -> None:
    document = REPORT if "user/" in CATALOGUE[kind].default_subject else DEPTH
    stream = "user" if document is REPORT else "btcusdt@depth@100ms"
    seen = _frame(stream, str(document["e"]), document)
    acts = frames.carry_out(_strike(kind), seen)
    assert tuple(acts) != (Send(seen.payload),)
    assert all(isinstance(act, Send | SendRaw | Close | Abort | Stall) for act in acts)


def test_numbers_that_are_none() -> None:
    for kind, word in ((FaultKind.NUMBER_NAN, "NaN"), (FaultKind.NUMBER_1E400, "1e400")):
        (act,) = frames.carry_out(_strike(kind), _frame("btcusdt@trade", "trade", TRADE))
        assert isinstance(act, Send)
        assert json.loads(act.payload)["p"] == word
    wrapped = {"stream": "btcusdt@depth", "data": DEPTH}
    (act,) = frames.carry_out(
        _strike(FaultKind.NUMBER_NEGATIVE), _frame("btcusdt@depth", "depthUpdate", wrapped)
    )
    assert isinstance(act, Send)
    assert json.loads(act.payload)["data"]["b"][0] == ["100.10", "-1.00000000"]


def test_a_crossed_book_is_crossed_and_a_locked_one_locked() -> None:
    for kind, crosses in ((FaultKind.CROSSED_BOOK, True), (FaultKind.LOCKED_BOOK, False)):
        (act,) = frames.carry_out(_strike(kind), _frame("btcusdt@depth", "depthUpdate", DEPTH))
        assert isinstance(act, Send)
        event = json.loads(act.payload)
        bid, ask = max(Decimal(b[0]) for b in event["b"]), Decimal("100.20")
        assert (bid > ask, bid >= ask) == (crosses, True)


def test_user_events_are_named_by_their_words() -> None:
    subject = frames.subject_of(
        _frame("user", "executionReport", {"subscriptionId": 0, "event": REPORT})
    )
    assert subject == "user/executionReport/TRADE/FILLED"
    futures = {"e": "ORDER_TRADE_UPDATE", "o": {"x": "NEW", "X": "NEW"}}
    assert frames.subject_of(_frame("user", "ORDER_TRADE_UPDATE", futures)) == (
        "user/ORDER_TRADE_UPDATE/NEW/NEW"
    )


@given(st.binary(max_size=200), st.sampled_from(sorted(_kinds(Seam.FRAME))))
def test_any_payload_survives_any_fault(payload: bytes, kind: FaultKind) -> None:
    seen = FrameSeen(
        dialect="d", connection=1, stream="user", kind="x", account="", n=1, payload=payload,
        now_ns=NOW_NS,
    )  # fmt: skip
    assert isinstance(frames.subject_of(seen), str)
    assert isinstance(frames.carry_out(_strike(kind), seen), tuple)


# -- names and files -------------------------------------------------------------------------------


def test_the_promised_scenarios_are_there() -> None:
    assert set(SCENARIOS) >= NAMED
    assert all(SCENARIOS[name].words and SCENARIOS[name].rules for name in NAMED)


def test_a_scenario_that_is_not_there_names_the_nearest() -> None:
    with pytest.raises(BadInput, match="did you mean crash"):
        find_plan("crsh")
    with pytest.raises(BadInput, match="known: none, crash"):
        find_plan("zzzzzz")


def test_the_manual_names_every_fault_and_every_scenario() -> None:
    root = Path(__file__).resolve().parents[3]
    page = (root / "resources" / "docs" / "drill.md").read_text()
    assert [kind for kind in FaultKind if f"`{kind.value}`" not in page] == []
    assert [name for name in NAMED if f"| `{name}` |" not in page] == []


FILE = """
seed = 7
[[fault]]
kind = "drop-after"
on = "POST /api/v3/order"
at = [2, 5]
[[fault]]
kind = "frozen"
from_s = 3
for_s = 1.5
"""


def test_a_file_becomes_a_plan(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(FILE)
    plan = find_plan(str(path))
    assert (plan.name, plan.seed) == ("mine", 7)
    assert [rule.kind for rule in plan.rules] == [FaultKind.DROP_AFTER, FaultKind.FROZEN]
    assert plan.rules[0].at == (2, 5)
    assert plan.rules[1].duration_s == 1.5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "[[fault]]\nkind = 'drop-aftr'",
            "fault[1].kind: drop-aftr: no such fault; did you mean drop-after?",
        ),
        ("[[fault]]\nkind = 'waf'\nat = [0]", "fault[1].at: 0: must be a whole number from 1"),
        ("[[fault]]\nkind = 'waf'\nrate = 2", "fault[1].rate: 2: must lie between 0 and 1"),
        ("[[fault]]\nkind = 'waf'\nrate = nan", "fault[1].rate: nan: must be a number"),
        ("[[fault]]\nkind = 'waf'\nrate = 0.5\nevery = 2", "fault[1].rate: 0.5: give it or every"),
        ("[[fault]]\nkind = 'waf'\nhow = 1", "fault[1].how: 1: unknown field; known: kind, on,"),
        ("[[fault]]\nkind = 'crash'\nat = [1]", "name a with_request to count"),
        (
            "[[fault]]\nkind = 'waf'\nfrom_s = 5\nuntil_s = 5",
            "fault[1].until_s: 5.0: must be after",
        ),
        ("seed = 'x'", "seed: x: must be a whole number from 0"),
        ("fault = 3", "fault: 3: write each fault as a [[fault]] table"),
        ("speed = 3", "speed: 3: unknown; known are seed, words and [[fault]]"),
        ("[[fault", "is not TOML"),
    ],
)
def test_bad_files_are_told_in_one_line(text: str, words: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_plan(text, "mine")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=300))
def test_any_text_is_a_plan_or_one_line(text: str) -> None:
    said = ""
    try:
        parse_plan(text, "mine")
    except BadInput as error:
        said = str(error)
    assert "\n" not in said


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        read_plan(tmp_path / "none.toml")
    with pytest.raises(BadInput, match="cannot be read"):
        read_plan(tmp_path)
