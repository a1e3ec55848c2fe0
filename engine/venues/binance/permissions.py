"""What a Binance key may do."""

from __future__ import annotations

from engine.domain.claims import KeyPermissions
from engine.venues.dialect import Asker, Request
from engine.venues.fields import JsonObject, as_object, flag


async def ask_permissions(ask: Asker, trade_field: str) -> KeyPermissions:
    """GET sapi/v1/account/apiRestrictions; `trade_field` says that the key may trade here.

    {"ipRestrict": false, "createTime": 1698645219000, "enableReading": true,
     "enableWithdrawals": false, "enableInternalTransfer": false, "enableMargin": false,
     "enableFutures": false, "permitsUniversalTransfer": false, "enableVanillaOptions": false,
     "enableFixApiTrade": false, "enableFixReadOnly": true, "enableSpotAndMarginTrading": true,
     "enablePortfolioMarginTrading": true}

    (`account.canWithdraw` is the account's right, not the key's.)
    """
    request = Request("sapi", "GET", "account/apiRestrictions", {})
    return read_permissions(as_object(await ask(request)), trade_field)


def read_permissions(answer: JsonObject, trade_field: str) -> KeyPermissions:
    missing = [
        field for field in ("enableWithdrawals", "ipRestrict", trade_field) if field not in answer
    ]
    transfers = ("enableInternalTransfer", "permitsUniversalTransfer")
    return KeyPermissions(
        can_read=_maybe(answer, "enableReading"),
        can_trade=_maybe(answer, trade_field),
        can_withdraw=_maybe(answer, "enableWithdrawals"),
        can_transfer=any(flag(answer, field) for field in transfers)
        if any(field in answer for field in transfers)
        else None,
        is_ip_restricted=_maybe(answer, "ipRestrict"),
        words=f"the venue did not tell {', '.join(missing)}" if missing else "",
    )


def _maybe(answer: JsonObject, field: str) -> bool | None:
    return flag(answer, field) if field in answer else None
