"""Faces on the real server over real sockets; what it serves is scripted."""

from __future__ import annotations

import logging
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from app.service import delta, server
from app.service import protocol as p
from app.service.client import RemoteSession
from app.service.endpoint import Claim
from app.service.peer import WISHES_WAITING_MAX
from app.service.server import PEERS_MAX, STRANGERS_MAX
from engine.domain import commands as c
from engine.domain.errors import BadInput, ConfigError, EngineNotRunning, WorkFailed
from engine.domain.order import OrderSpec, Side
from tests.support.service import (
    ROOT,
    Bare,
    ScriptedEngine,
    attached,
    endpoint_at,
    eventually,
)
from tests.support.session import BTC, MID, a_working_order


@pytest.fixture
def engine(own_home: Path) -> Iterator[ScriptedEngine]:
    with ScriptedEngine(own_home) as scripted:
        yield scripted


def a_buy(command_id: str = "c1", *, reduce_only: bool = False) -> c.PlaceOrder:
    spec = OrderSpec(
        instrument_id=BTC, side=Side.BUY, qty_lots=1, price_ticks=MID, reduce_only=reduce_only
    )
    return c.PlaceOrder(command_id=command_id, bot_id="manual", spec=spec)


# -- pictures ------------------------------------------------------------------------------------


def test_two_faces_see_what_the_engine_publishes(engine: ScriptedEngine) -> None:
    with attached(engine.home, "tui") as one, attached(engine.home, "gui") as other:
        for ticks in range(MID, MID + 20):
            shot = engine.publish(
                orders=[a_working_order("q1", Side.BUY, ticks)],
                log=engine.snapshot.log[1:],
            )
            for face in (one, other):
                eventually(lambda face=face, shot=shot: face.snapshot().version == shot.version)
                seen = face.snapshot()
                assert seen is not None
                assert (seen.orders, seen.log, seen.markets) == (
                    shot.orders,
                    shot.log,
                    shot.markets,
                )


def test_after_the_first_picture_only_what_changed_travels(engine: ScriptedEngine) -> None:
    with Bare.attach(engine.home) as face:
        whole = face.hear_until(p.Picture).snapshot
        face.say(p.Seen(version=whole.version))
        engine.publish(feed_age_ms=99)
        change = face.hear_until(p.Delta)
        assert (change.base, change.version) == (whole.version, whole.version + 1)
        assert len(p.encode(change)) < 100


def test_a_face_gets_the_topics_it_asks_for(engine: ScriptedEngine) -> None:
    """Each its own, side by side, also as differences; the state always comes."""
    shot = engine.snapshot
    with (
        Bare.attach(engine.home, topics=["history"]) as log,
        Bare.attach(engine.home, topics=[]) as state,
    ):
        whole = log.hear_until(p.Picture).snapshot
        assert whole == msgspec.structs.replace(shot, markets=[])
        bare = state.hear_until(p.Picture).snapshot
        assert bare == msgspec.structs.replace(shot, markets=[], fills=[], log=[], equity_curve=[])
        newer = engine.publish(log=shot.log[1:], orders=[])
        for face, base in ((log, whole), (state, bare)):
            face.say(p.Seen(version=base.version))
            change = face.hear_until(p.Delta)
            assert delta.apply(base, change.changes).orders == []
            left = newer.log if face is log else []
            assert delta.apply(base, change.changes).log == left
    with Bare(engine.home) as face:
        face.say(face.hello(topics=["colour"]))
        assert face.refusal() == "topics: 'colour': known are markets, history"


def test_a_gap_is_mended_with_a_whole_picture(engine: ScriptedEngine) -> None:
    with Bare.attach(engine.home) as face:
        face.hear_until(p.Picture)
        face.say(p.Resync())
        assert face.hear_until(p.Picture).snapshot == engine.snapshot


def test_a_face_that_does_not_read_is_not_waited_for(engine: ScriptedEngine) -> None:
    """It costs two pictures, slows nobody, and sees the truth when it reads again."""
    with Bare.attach(engine.home) as asleep, attached(engine.home) as awake:
        engine.is_busy = True
        version = engine.snapshot.version
        eventually(lambda: awake.snapshot().version > version + 400, 60)  # type: ignore[union-attr]
        assert awake.failure() == ""
        engine.is_busy = False
        last = engine.snapshot.version
        pictures = 0
        shown = 0
        while shown < last:
            frame = asleep.hear()
            if isinstance(frame, p.Picture | p.Delta):
                pictures += 1
                shown = frame.snapshot.version if isinstance(frame, p.Picture) else frame.version
                asleep.say(p.Seen(version=shown))
        assert pictures <= p.PICTURES_IN_FLIGHT + 2, "it had to read what nobody needs any more"


def test_nothing_is_made_for_a_face_that_does_not_read(engine: ScriptedEngine) -> None:
    """No picture is compared or encoded for it, whatever happens, until it says that it has seen
    what it was sent."""
    with Bare.attach(engine.home) as asleep:
        seen = asleep.hear_until(p.Picture).snapshot.version
        engine.publish(orders=[a_working_order("one", Side.BUY, MID)])
        assert asleep.hear_until(p.Delta).base == seen  # As many as it may have unanswered.
        engine.is_busy = True
        turns = engine.turns
        eventually(lambda: engine.turns > turns + 50)
        engine.is_busy = False
        eventually(lambda: engine.turns > turns + 60)
        assert engine.server._encoded == {}
        asleep.say(p.Seen(version=seen + 1))
        assert asleep.hear_until(p.Delta).version == engine.snapshot.version
        assert len(engine.server._encoded) == 1


# -- wishes --------------------------------------------------------------------------------------


def test_a_command_is_answered_at_once_and_carries_its_author(engine: ScriptedEngine) -> None:
    with attached(engine.home, "tui") as face:
        face.submit(c.PauseBot(command_id="c1", bot_id="grid", by="risk"))
        assert face.wait_for("c1", 5).refused == ""
        assert [row.command_id for row in face.snapshot().receipts] == ["c1"]  # type: ignore[union-attr]
    assert engine.carried_out[0].by.startswith("tui@")


def test_an_id_is_carried_out_once_whoever_sends_it_how_often(engine: ScriptedEngine) -> None:
    engine.is_deaf = True
    with Bare.attach(engine.home) as one, Bare.attach(engine.home) as other:
        wish = p.Wish(command=c.PauseBot(command_id="c1"))
        one.say(wish, wish)
        other.say(wish)
        engine.is_deaf = False
        for face in (one, other):
            assert face.hear_until(p.Receipt).receipt.command_id == "c1"
        other.say(wish)
        assert other.hear_until(p.Receipt).receipt.refused == ""
    assert len(engine.carried_out) == 1


def test_a_face_that_floods_does_not_crowd_out_another(engine: ScriptedEngine) -> None:
    engine.is_deaf = True
    with Bare.attach(engine.home) as loud, attached(engine.home) as quiet:
        many = [p.Wish(command=c.PauseBot(command_id=f"f{n}")) for n in range(2000)]
        sending = threading.Thread(target=loud.say, args=many, daemon=True)
        sending.start()
        quiet.submit(c.Kill(command_id="k1"))
        time.sleep(0.2)
        engine.is_deaf = False
        assert quiet.wait_for("k1", 5).refused == ""
        sending.join(10)
        last = engine.carried_out.index(next(o for o in engine.carried_out if o.command_id == "k1"))
        assert last <= WISHES_WAITING_MAX


# -- the trade token -------------------------------------------------------------------------------


def test_only_the_holder_adds_risk_and_everybody_may_take_it_away(engine: ScriptedEngine) -> None:
    with (
        attached(engine.home, "tui", "free") as holder,
        attached(engine.home, "gui", "free") as other,
    ):
        other.submit(a_buy("c1"))
        assert "tui@" in other.wait_for("c1", 5).refused
        refused = other.snapshot().receipts[-1]  # type: ignore[union-attr]
        assert "holds the trade token" in refused.refused
        reducing: list[c.AnyCommand] = [
            a_buy("c2", reduce_only=True),
            c.Kill(command_id="c3"),
            c.Flatten(command_id="c4"),
            c.CancelAll(command_id="c5"),
            c.TakeHelm(command_id="c6", bot_id="grid"),
        ]
        for command in reducing:
            other.submit(command)
            assert other.wait_for(command.command_id, 5).refused == ""
        holder.submit(a_buy("c7"))
        assert holder.wait_for("c7", 5).refused == ""


def test_the_token_is_taken_over_and_the_others_are_told(engine: ScriptedEngine) -> None:
    with (
        attached(engine.home, "tui", "free") as before,
        attached(engine.home, "gui") as after,
    ):
        after.take_token()
        eventually(lambda: after.presence().holder.startswith("gui@"))  # type: ignore[union-attr]
        engine.publish()
        eventually(lambda: "took the trade token" in before.snapshot().log[-1].text)  # type: ignore[union-attr]
        before.submit(a_buy("c1"))
        assert "gui@" in before.wait_for("c1", 5).refused


def test_a_token_that_nobody_holds_goes_to_the_first_who_needs_it(engine: ScriptedEngine) -> None:
    with attached(engine.home, "tui", "free"):
        pass
    with attached(engine.home, "shell") as face:
        eventually(lambda: len(face.presence().faces) == 1)  # type: ignore[union-attr]
        face.submit(c.ResumeBot(command_id="c1", bot_id="grid"))
        assert face.wait_for("c1", 5).refused == ""
        engine.publish()
        eventually(lambda: face.presence().holder.startswith("shell@"))  # type: ignore[union-attr]


# -- who is turned away --------------------------------------------------------------------------


def test_a_wrong_token_is_refused(engine: ScriptedEngine, caplog: pytest.LogCaptureFixture) -> None:
    with Bare(engine.home) as face, caplog.at_level(logging.WARNING):
        face.say(face.hello(token="0" * 64))
        assert "token" in face.refusal()
    assert "refused: token" in caplog.text
    assert engine.is_well()


@pytest.mark.parametrize(
    ("schema", "remedy"), [(p.SCHEMA - 1, "update this face"), (p.SCHEMA + 1, "restart the engine")]
)
def test_another_schema_is_refused_with_the_remedy(
    engine: ScriptedEngine, schema: int, remedy: str
) -> None:
    with Bare(engine.home) as face:
        face.say(face.hello(schema=schema))
        assert face.refusal() == p.version_words((p.SCHEMA, ""), (schema, ""))
        assert remedy in p.version_words((p.SCHEMA, ""), (schema, ""))


def test_a_hello_from_the_future_can_be_read(engine: ScriptedEngine) -> None:
    """Whatever it carries besides, it is told which version it meets."""
    body = msgspec.msgpack.encode({"type": "hello", "schema": 77, "colour": [1, 2], "pid": 5})
    with Bare(engine.home) as face:
        face.send(len(body).to_bytes(4, "big") + body)
        assert "schema" in face.refusal()


@pytest.mark.parametrize(
    "data",
    [
        (p.FRAME_BYTES_MAX + 1).to_bytes(4, "big") + b"x" * 1000,
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x00",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x00\x00\x00\x05hello",
        p.encode(p.Ping(number=1)),
    ],
    ids=["oversized", "four gigabytes", "empty", "a browser", "rubbish", "no hello"],
)
def test_who_cannot_introduce_himself_is_refused(engine: ScriptedEngine, data: bytes) -> None:
    with Bare(engine.home) as face:
        face.send(data)
        assert face.refusal()
    assert engine.is_well()


def test_an_oversized_frame_of_an_attached_face_is_refused(engine: ScriptedEngine) -> None:
    with Bare.attach(engine.home) as face:
        face.send((p.REQUEST_BYTES_MAX + 1).to_bytes(4, "big"))
        assert "must be 1 to" in face.refusal()
    assert engine.is_well()


def test_there_is_a_limit_to_the_faces(engine: ScriptedEngine) -> None:
    faces = [Bare.attach(engine.home) for _ in range(PEERS_MAX)]
    with Bare(engine.home) as one_more:
        one_more.say(one_more.hello())
        assert "close one first" in one_more.refusal()
    faces.pop().close()
    eventually(lambda: len(engine.server._roster.faces) < PEERS_MAX)
    faces.append(Bare.attach(engine.home, session="s1"))
    faces.append(Bare.attach(engine.home, session="s1"))  # In its own older place.
    strangers = [Bare(engine.home) for _ in range(STRANGERS_MAX)]
    eventually(lambda: len(engine.server._peers) >= PEERS_MAX + STRANGERS_MAX)
    with Bare(engine.home) as one_more:
        assert "callers are here already: close one first" in one_more.refusal()
    for stranger in strangers:
        stranger.close()
    for face in faces:
        face.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_user_is_refused_even_with_the_token(engine: ScriptedEngine) -> None:
    """The folder keeps others out; were it open, the kernel's word on the user would do."""
    endpoint = endpoint_at(engine.home)
    _open_to_all(endpoint.folder)
    endpoint.door_path.chmod(0o666)
    token = endpoint.token_path.read_text()
    program = f"""
import os, socket, sys
face = socket.socket(socket.AF_UNIX)
os.setuid(65534)
face.connect({str(endpoint.door_path)!r})
sys.path.insert(0, {str(ROOT)!r})
print(face.recv(1000).decode(errors="replace"))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "is not the owner" in done.stdout, done.stderr
    assert token
    assert engine.is_well()


def _open_to_all(folder: Path) -> None:
    for part in (folder, *folder.parents):
        if part.stat().st_uid == os.geteuid() and part != Path("/"):
            part.chmod(part.stat().st_mode | 0o055)


# -- stories -------------------------------------------------------------------------------------


def test_a_story_is_read_while_the_engine_goes_on(own_home: Path) -> None:
    """However long the ledger is; and one face does not keep all threads busy."""
    read = threading.Event()

    def tell(order_id: str) -> list[tuple[int, str]]:
        assert read.wait(20)
        if order_id == "broken":
            raise OSError("disk")
        if order_id == "nobody":
            raise BadInput("order", order_id, "no ledger knows it")
        return [(1, f"{order_id} was placed")] * (p.SENTENCES_MAX + 1)

    with ScriptedEngine(own_home, tell=tell) as engine, Bare.attach(own_home) as face:
        ids = ["q1", "nobody", "broken", "q2", "q3", "x" * 65]
        face.say(*(p.AskStory(number=n, order_id=one) for n, one in enumerate(ids)))
        refused = [face.hear_until(p.Story) for _ in range(2)]
        assert [one.number for one in refused] == [4, 5]
        assert all("ask again when the others are told" in one.refused for one in refused)
        assert engine.is_well()
        read.set()
        told = {one.number: one for one in (face.hear_until(p.Story) for _ in range(4))}
        assert told[0].told == [(1, "q1 was placed")] * p.SENTENCES_MAX
        assert told[1].refused == "order: nobody: no ledger knows it"
        assert told[2].refused == "OSError: see the engine's log"
        face.say(p.AskStory(number=9, order_id="q4"))
        assert face.hear_until(p.Story).number == 9


def test_who_asks_for_a_story_hears_why_there_is_none(own_home: Path) -> None:
    asked, read = threading.Event(), threading.Event()

    def tell(order_id: str) -> list[tuple[int, str]]:
        asked.set()
        assert read.wait(20)
        raise BadInput("order", order_id, "no ledger knows it")

    with (
        ScriptedEngine(own_home, tell=tell) as engine,
        ThreadPoolExecutor(1) as pool,
        attached(own_home) as face,
    ):
        reading = pool.submit(face.story, "q1")
        assert asked.wait(10)
        for peer in list(engine.server._peers.values()):
            engine.loop.call_soon_threadsafe(peer.drop)
        with pytest.raises(EngineNotRunning, match=r"^engine gone: ask again$"):
            reading.result(5)
        read.set()
        eventually(lambda: not face.failure())
        with pytest.raises(WorkFailed, match=r"^order: q1: no ledger knows it$"):
            face.story("q1")


def test_a_face_can_go_on_talking_until_it_has_read_the_farewell(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection closed on unread bytes is reset: a face that said just then that it had seen a
    picture lost the words behind it, and `stop` said that the engine had gone without any."""
    monkeypatch.setattr(server, "FAREWELL_S", 30.0)
    with ScriptedEngine(own_home) as engine:
        engine.is_busy = True
        face = Bare.attach(own_home)
        stopping = threading.Thread(target=engine.__exit__)
        stopping.start()
        assert face.hear_until(p.Bye).words == "the engine was stopped"
        assert face.hear() is None
        for number in range(3):
            face.say(p.Seen(version=number), p.Ping(number=number))
            time.sleep(0.01)  # An answer from the closed end would be an error at the next word.
        assert stopping.is_alive(), "it waits for the face to hang up"
        face.close()
        stopping.join(10)
        assert not stopping.is_alive()


# -- the place -----------------------------------------------------------------------------------


def test_folder_socket_and_token_are_private(engine: ScriptedEngine) -> None:
    endpoint = endpoint_at(engine.home)
    modes = {
        path: stat.S_IMODE(path.stat().st_mode)
        for path in (endpoint.folder, endpoint.door_path, endpoint.token_path)
    }
    assert list(modes.values()) == [0o700, 0o600, 0o600]


def test_one_engine_a_profile(engine: ScriptedEngine) -> None:
    with pytest.raises(ConfigError, match="already serves"):
        Claim(endpoint_at(engine.home))
    Claim(endpoint_at(engine.home, "other")).release()


def test_a_stale_socket_is_replaced_and_a_live_one_is_not(own_home: Path) -> None:
    endpoint = endpoint_at(own_home)
    first = Claim(endpoint)
    listener = first.listen()
    first._lock.release()  # As if the lock had been lost.
    with pytest.raises(ConfigError, match="already serves"):
        Claim(endpoint)
    listener.close()
    assert endpoint.door_path.exists()
    second = Claim(endpoint)
    second.listen().close()
    assert second.token != first.token
    second.release()
    assert not endpoint.door_path.exists()


def test_a_long_path_is_no_obstacle(own_home: Path) -> None:
    home = own_home / ("deep" * 30)
    with ScriptedEngine(home) as engine:
        assert engine.is_well()


def test_a_session_that_ends_leaves_no_thread(engine: ScriptedEngine) -> None:
    before = threading.active_count()
    for _ in range(5):
        with attached(engine.home) as face:
            assert isinstance(face, RemoteSession)
    assert threading.active_count() == before
