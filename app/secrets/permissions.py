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
    """A key that is read by a thief should move nothing out: no withdrawals, our address only."""
    refused = ""
    warnings = []
    if permissions.can_read is False:
        refused = "it may not read the account: allow reading at the venue"
    elif permissions.can_trade is False:
        refused = "it may not trade: allow trading at the venue, or make another"
    elif permissions.can_withdraw and not entry.withdrawals_accepted_ns:
        refused = (
            "it can withdraw: take that permission off at the venue "
            "(or keys check --allow-withdrawals)"
        )
    if permissions.can_withdraw and entry.withdrawals_accepted_ns:
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
    """Why the venue did not tell, as one line with its remedy and exit code."""
    words = f"{venue}: {fault.words}"
    match fault.kind:
        case FaultKind.KEY:
            return ConfigError(
                f"{words}: wrong, revoked, or not allowed from this address: "
                f"look at the venue's page, then keys add {venue} again"
            )
        case FaultKind.CLOCK:
            return ConfigError(f"{words}: set this machine's clock (timedatectl set-ntp true)")
        case FaultKind.TIMEOUT:
            return TimedOut(f"{words}: try again, or see whether the network is up")
        case FaultKind.PORTAL:
            return WorkFailed(
                f"{words}: something else answers in the venue's place: "
                "sign in to this network, or use another"
            )
        case FaultKind.TLS:
            return WorkFailed(f"{words}: do not go on over this network; is the clock right?")
        case FaultKind.NETWORK:
            return WorkFailed(f"{words}: see whether the network is up")
        case FaultKind.LIMITED | FaultKind.BANNED:
            return WorkFailed(f"{words}: wait before asking again")
        case _:
            return WorkFailed(f"{words}: try again later")
