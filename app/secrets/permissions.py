"""What a key may do at the venue, and whether it may trade here."""

from __future__ import annotations

from typing import NamedTuple

from app.secrets.index import KeyEntry
from engine.domain.claims import KeyPermissions
from engine.domain.errors import ConfigError, PilothouseError, TimedOut, WorkFailed
from engine.ports.live import FaultKind, VenueFault

ACCEPT_PHRASE = "this key can withdraw and i accept it"


class Verdict(NamedTuple):
    refused: str
    """Why live trading refuses this key; "" when it does not."""
    warnings: tuple[str, ...]


def judge(permissions: KeyPermissions, entry: KeyEntry) -> Verdict:
    """A key that a thief gets should move nothing out: no withdrawals, our address only. `entry`
    of the `KeyStore` says whether a person has accepted this very key as it is."""
    accepts_withdrawals = entry.withdrawals_accepted_ns > 0
    refused = ""
    warnings = []
    if permissions.can_read is False:
        refused = "it may not read the account: allow reading at the venue"
    elif permissions.can_trade is False:
        refused = "it may not trade: allow trading at the venue, or make another"
    elif permissions.can_withdraw and not accepts_withdrawals:
        refused = (
            "it can withdraw: take that permission off at the venue "
            "(or keys check --allow-withdrawals)"
        )
    if permissions.can_withdraw and accepts_withdrawals:
        warnings.append("it can withdraw, which a person has accepted")
    if permissions.can_withdraw is None:
        warnings.append("whether it can withdraw cannot be asked: look at the venue's page")
    if permissions.can_transfer:
        warnings.append("it can transfer to other accounts: take that off if you do not need it")
    if permissions.is_ip_restricted is False:
        warnings.append("it works from any address: restrict it to this machine's at the venue")
    elif permissions.is_ip_restricted is None:
        warnings.append(
            "whether it is tied to an address cannot be asked: look at the venue's page"
        )
    if permissions.words:
        warnings.append(permissions.words)
    return Verdict(refused, tuple(warnings))


def explain(venue: str, fault: VenueFault) -> PilothouseError:
    """Why the venue did not tell, as one line with its exit code. A fault's words name the remedy
    where it is known from the answer alone."""
    words = fault.words if venue in fault.words else f"{venue}: {fault.words}"
    match fault.kind:
        case FaultKind.KEY:
            return ConfigError(f"{words}, or store it anew: pilothouse keys add {venue}")
        case FaultKind.CLOCK:
            return ConfigError(words)
        case FaultKind.TIMEOUT:
            return TimedOut(f"{words}: see whether the network is up")
        case FaultKind.NETWORK:
            return WorkFailed(f"{words}: see whether the network is up")
        case FaultKind.PORTAL | FaultKind.TLS | FaultKind.LIMITED | FaultKind.BANNED:
            return WorkFailed(words)
        case _:
            return WorkFailed(f"{words}: try again later")
