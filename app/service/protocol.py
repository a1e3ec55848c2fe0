"""What an engine and its faces say to each other: length-prefixed msgpack frames.

    4 bytes, big-endian: length of the body | body: one tagged struct, checked by msgspec

A face opens with `Hello` and gets `Welcome` or `Refusal`. Then pictures flow: first one whole
`Picture`, afterwards `Delta`s, each against the version before it. The face answers every one with
`Seen`; the engine sends no further picture while `PICTURES_IN_FLIGHT` are unanswered, so a slow
face (or a slow link, whatever buffers it has) sees fewer pictures and never old ones. A delta that
does not fit is answered with `Resync`, and a whole picture comes.

`Hello`, `Refusal` and the framing never change, so that any two versions can tell each other that
they do not fit. Everything else may: `SCHEMA` counts the changes that a release makes, and `shape`
tells two builds apart between which somebody forgot to count.
"""

from __future__ import annotations

import asyncio
import zlib
from functools import cache
from typing import Any, Literal

import msgspec

from engine.domain.commands import AnyCommand
from engine.domain.errors import PilothouseError
from engine.domain.snapshots import EngineSnapshot, ReceiptSnapshot

SCHEMA = 2
"""Counts changes of the frames and of what is inside them (snapshots, commands)."""

FRAME_BYTES_MAX = 8 * 1024 * 1024
REQUEST_BYTES_MAX = 64 * 1024
"""What a face says is short. Nobody can make the engine hold more than this."""
PICTURES_IN_FLIGHT = 2
COMMAND_ID_MAX = 64
WORDS_MAX = 400
SENTENCES_MAX = 1000
"""Of one story: its first ones."""

_PREFIX_BYTES = 4

TOPICS = {"markets": ("markets",), "history": ("fills", "log", "equity_curve")}
"""Parts of a picture that a face may do without: they are empty in what it gets. Everything else
(bots, orders, positions, money, limits) always travels."""

Wants = Literal["nothing", "free", "over"]
"""The trade token at attaching: leave it, take it if nobody has it, take it over."""


class ProtocolError(PilothouseError):
    """The other side does not keep to this file; the connection is of no further use."""


class Refused(PilothouseError):
    """The engine does not want this face, and says why."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code
        if code == NOT_RUNNING:
            self.exit_code = 3
        elif code in (SCHEMA_DIFFERS, NOT_ALLOWED, LOCKED):
            self.exit_code = 4


SCHEMA_DIFFERS = "schema"
NOT_ALLOWED = "not_allowed"
MALFORMED = "malformed"
FULL = "full"
NOT_RUNNING = "not_running"
NOT_STARTED = "not_started"
LOCKED = "locked"
"""The engine waits for its keys: there is no picture yet."""


class Frame(msgspec.Struct, frozen=True, kw_only=True, tag=str.lower):
    pass


# -- what a face says --------------------------------------------------------------------------


class Hello(Frame, frozen=True, kw_only=True):
    """All but `schema` has a default, so that the hello of any version can be read."""

    schema: int
    shape: str = ""
    """See `shape`."""
    token: str = ""
    """What the token file beside the socket holds; the bridge fills it in for a remote face."""
    name: str = "face"
    """What kind of face: `tui`, `gui`, `shell`."""
    host: str = ""
    pid: int = 0
    wants: str = "nothing"
    topics: tuple[str, ...] = tuple(TOPICS)
    """Which of `TOPICS` the face shows."""
    session: str = ""
    """The same at every call of one face, and nobody else's. A face that calls again has given its
    older connection up, which may hang in a dead link for minutes: it is let go."""


class Seen(Frame, frozen=True, kw_only=True):
    """The picture with this version has arrived and is in use."""

    version: int


class Resync(Frame, frozen=True, kw_only=True):
    """A delta did not fit: send a whole picture."""


class Wish(Frame, frozen=True, kw_only=True):
    command: AnyCommand


class TakeToken(Frame, frozen=True, kw_only=True):
    """From now on this face sends the commands that add risk, whoever did before."""


class Crash(Frame, frozen=True, kw_only=True):
    """The crash button of a generated market."""


class StopEngine(Frame, frozen=True, kw_only=True):
    """Close the ledger and end; bots stop, orders and positions stay as they are."""


class UnlockKeys(Frame, frozen=True, kw_only=True):
    """The passphrase that opens the sealed keys of a live engine, for its ears alone."""

    passphrase: str

    def __repr__(self) -> str:
        return "UnlockKeys(hidden)"


class AskStory(Frame, frozen=True, kw_only=True):
    """What happened to an order, by the ledger, for a face that cannot read it. `number` comes back
    in the `Story`."""

    number: int
    order_id: str


class Ping(Frame, frozen=True, kw_only=True):
    """`number` comes back in the `Pong`."""

    number: int


# -- what the engine says ----------------------------------------------------------------------


class Welcome(Frame, frozen=True, kw_only=True):
    schema: int
    shape: str = ""
    profile: str
    pid: int
    face: str
    """What the others see this face as: `tui@pi 4711`."""
    locked: str = ""
    """What a person has to do before there is anything to see; "" while nothing."""


class Refusal(Frame, frozen=True, kw_only=True):
    code: str
    words: str


class Picture(Frame, frozen=True, kw_only=True):
    snapshot: EngineSnapshot


class Delta(Frame, frozen=True, kw_only=True):
    """What is new since version `base`; read by `app.service.delta`."""

    base: int
    version: int
    changes: msgspec.Raw


class Receipt(Frame, frozen=True, kw_only=True):
    """What became of a wish of this face, sooner than in a picture."""

    receipt: ReceiptSnapshot


class KeysAnswer(Frame, frozen=True, kw_only=True):
    """What became of an `UnlockKeys` of this face. `refused` "" when the keys are open now."""

    refused: str = ""


class Story(Frame, frozen=True, kw_only=True):
    """(ts_ns, sentence), oldest first; `refused` says why there is none."""

    number: int
    told: list[tuple[int, str]] = []
    refused: str = ""


class Presence(Frame, frozen=True, kw_only=True):
    """Who looks on and who holds the trade token. `notice` is news for everybody, the
    `notices`-th of this engine; a face that was away for some sees the newest."""

    faces: list[str]
    holder: str = ""
    notices: int = 0
    notice: str = ""


class Pong(Frame, frozen=True, kw_only=True):
    number: int
    wall_ns: int
    """The engine's clock, so that a remote face can tell ages."""


class StopReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine leaves behind that was asked to stop."""

    orders_working: int
    positions_open: int
    events: int
    ledger: str
    by: str = ""
    """The face that wanted it; "" for a signal."""
    venue: str = ""
    """What the venue said of what stays there; "" on paper."""

    def __str__(self) -> str:
        venue = f"; {self.venue}" if self.venue else ""
        stopped = f"stopped{f' by {self.by}' if self.by else ''}"
        if not self.ledger:
            return f"{stopped} before it had opened its ledger"
        return (
            f"{stopped}: "
            f"{_counted(self.orders_working, 'order')} working, "
            f"{_counted(self.positions_open, 'position')} open, "
            f"ledger {self.ledger} closed after {_counted(self.events, 'event')}"
            f"{venue}"
        )


def _counted(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"


class Bye(Frame, frozen=True, kw_only=True):
    """Leaving on purpose; from either side."""

    words: str = ""
    report: StopReport | None = None


FromFace = (
    Hello
    | Seen
    | Resync
    | Wish
    | TakeToken
    | Crash
    | StopEngine
    | UnlockKeys
    | AskStory
    | Ping
    | Bye
)
FromEngine = (
    Welcome | Refusal | Picture | Delta | Receipt | KeysAnswer | Story | Presence | Pong | Bye
)

_encoder = msgspec.msgpack.Encoder()
_from_face: msgspec.msgpack.Decoder[FromFace] = msgspec.msgpack.Decoder(FromFace)
_from_engine: msgspec.msgpack.Decoder[FromEngine] = msgspec.msgpack.Decoder(FromEngine)


def encode(frame: Frame) -> bytes:
    """Prefix and body."""
    body = _encoder.encode(frame)
    assert len(body) <= FRAME_BYTES_MAX, (type(frame).__name__, len(body))
    return len(body).to_bytes(_PREFIX_BYTES, "big") + body


async def read_body(reader: asyncio.StreamReader, limit: int) -> bytes | None:
    """The body of the next frame; None at the end of the stream. ProtocolError when it is empty,
    longer than `limit`, or cut off."""
    try:
        length = int.from_bytes(await reader.readexactly(_PREFIX_BYTES), "big")
        if not 0 < length <= limit:
            raise ProtocolError(f"frame: {length} bytes: must be 1 to {limit}")
        return await reader.readexactly(length)
    except asyncio.IncompleteReadError as error:
        if error.partial or error.expected != _PREFIX_BYTES:
            raise ProtocolError("frame: cut off") from error
        return None


async def read_behind_text(reader: asyncio.StreamReader) -> tuple[str, FromEngine | None]:
    """The first frame of a stream that may begin with words of others (what a login shell prints),
    and these words. No frame where the stream ends with them."""
    try:
        # The length of a frame begins with a zero, which no text holds.
        text = (await reader.readuntil(b"\0"))[:-1]
        length = int.from_bytes(await reader.readexactly(_PREFIX_BYTES - 1), "big")
        body = await reader.readexactly(length)
    except asyncio.IncompleteReadError as error:
        return error.partial.decode(errors="replace"), None
    except asyncio.LimitOverrunError:
        raise ProtocolError("much else is said before the engine speaks") from None
    return text.decode(errors="replace"), parse_from_engine(body)


async def read_from_face(reader: asyncio.StreamReader) -> FromFace | None:
    body = await read_body(reader, REQUEST_BYTES_MAX)
    return None if body is None else parse_from_face(body)


async def read_from_engine(reader: asyncio.StreamReader) -> FromEngine | None:
    body = await read_body(reader, FRAME_BYTES_MAX)
    return None if body is None else parse_from_engine(body)


def parse_from_face(body: bytes) -> FromFace:
    try:
        frame = _from_face.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ProtocolError(f"frame: {error}") from error
    if isinstance(frame, Wish) and not 0 < len(frame.command.command_id) <= COMMAND_ID_MAX:
        raise ProtocolError(f"command_id: must have 1 to {COMMAND_ID_MAX} characters")
    return frame


def parse_from_engine(body: bytes) -> FromEngine:
    try:
        return _from_engine.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ProtocolError(f"frame: {error}") from error


def version_words(engine: tuple[int, str], face: tuple[int, str]) -> str:
    """Why two (schema, shape) cannot talk, and what to do about it; "" when they can."""
    if engine[0] != face[0]:
        newer = engine[0] > face[0]
        remedy = "update this face" if newer else "restart the engine with the newer version"
        return f"engine speaks schema {engine[0]}, this face {face[0]}: {remedy}"
    if engine[1] != face[1]:
        return "engine and face are of different builds: restart the engine with this one"
    return ""


@cache
def shape() -> str:
    """A digest of every field of every frame, and of all that is inside them."""
    described = _without_words(msgspec.json.schema(FromFace | FromEngine))
    return f"{zlib.crc32(msgspec.json.encode(described, order='sorted')):08x}"


def _without_words(schema: Any) -> Any:
    """A docstring may change without a change of shape."""
    if isinstance(schema, dict):
        kept = {key: _without_words(part) for key, part in schema.items()}
        if isinstance(kept.get("description"), str):
            del kept["description"]
        return kept
    return [_without_words(part) for part in schema] if isinstance(schema, list) else schema
