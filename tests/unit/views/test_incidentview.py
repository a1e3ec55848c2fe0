"""The reconcile desk: three stories side by side, and decisions that need two taps."""

import msgspec

from app.views.glyphs import UNICODE
from app.views.incidentview import incident_lines
from app.views.keymap import load_keymap
from engine.domain import commands as c
from engine.domain.incident import CHOICES, Incident, IncidentKind
from engine.domain.snapshots import IncidentSnapshot
from tests.support.session import BTC, SECOND, START_NS, a_snapshot
from tests.unit.views.test_desk import AtTheDesk


def an_incident(kind: IncidentKind = IncidentKind.POSITION, number: int = 1) -> IncidentSnapshot:
    incident = Incident(
        incident_id=f"i{number}",
        kind=kind,
        since_ns=START_NS - 65 * SECOND,
        instrument_id=BTC,
        bot_id="grid",
        ours="+0.025 BTC",
        venues="+0.030 BTC",
        last_event="buy 0.005 filled @ 60012.4",
        missing_lots=5,
    )
    return IncidentSnapshot(incident=incident, choices=CHOICES[kind])


def at_the_desk(*incidents: IncidentSnapshot) -> AtTheDesk:
    person = AtTheDesk(a_snapshot(incidents=list(incidents)))
    person.pane = "incidents"
    return person


def test_both_stories_and_the_choices_are_shown() -> None:
    snapshot = a_snapshot(incidents=[an_incident()])
    lines = incident_lines(snapshot, "i1", load_keymap(), 100, UNICODE)
    text = "\n".join("".join(cell.text for cell in line) for line in lines)
    for words in ("ours", "+0.025 BTC", "venue's", "+0.030 BTC", "last event", "for 1m05s"):
        assert words in text
    for words in ("A A", "I I", "F F"):
        assert words in text
    none = incident_lines(a_snapshot(), "", load_keymap(), 100, UNICODE)
    assert "nothing open" in none[0][0].text


def test_a_decision_says_first_what_it_does() -> None:
    person = at_the_desk(an_incident())
    person.press("A")
    assert "the venue is right: +0.030 BTC" in person.desk.gestures.announcement
    assert person.session.commands == []
    person.press("A")
    (adopt,) = person.session.commands
    assert isinstance(adopt, c.AdoptIncident)
    assert adopt.incident_id == "i1"


def test_the_cursor_chooses_which_one_is_meant() -> None:
    person = at_the_desk(an_incident(), an_incident(number=2))
    person.press("down", "I", "I")
    (ignore,) = person.session.commands
    assert isinstance(ignore, c.IgnoreIncident)
    assert ignore.incident_id == "i2"


def test_what_an_incident_cannot_be_settled_by_is_refused() -> None:
    person = at_the_desk(an_incident(IncidentKind.CONTRADICTION))
    person.press("I", "I")
    assert person.session.commands == []
    notice = person.desk.notice(person.now_ns)
    assert notice is not None
    assert "adopt or flatten" in notice.words
    assert msgspec.structs.asdict(an_incident())["choices"]
