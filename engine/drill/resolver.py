"""How a client reaches the drill exchange: every venue's name leads here, every other nowhere.

Names and URLs of the client stay as they are; only what they resolve to is ours, down to the port.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Collection
from pathlib import Path

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from engine.domain.errors import ConfigError

ADMIN_HOST = "drill.local"
"""Where the exchange shows its ledger and takes orders of its operator."""
ADDRESS = "127.0.0.1"
NAMES_GONE = "names-gone"
"""While a file of this name lies beside the authority's, no name resolves: a fault."""


class DrillResolver(AbstractResolver):
    """Refuses, as an unknown name, whatever is not in `hosts`: nothing reaches a real venue."""

    def __init__(self, folder: Path, port: int, hosts: Collection[str]) -> None:
        self._names_gone = folder / NAMES_GONE
        self.port = port
        self._hosts = frozenset(hosts)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if host not in self._hosts:
            raise OSError(None, f"{host}: no such name in drill mode")
        if self._names_gone.exists() and host != ADMIN_HOST:
            raise OSError(None, f"{host}: Temporary failure in name resolution")
        return [
            ResolveResult(
                hostname=host, host=ADDRESS, port=self.port, family=socket.AF_INET, proto=0, flags=0
            )
        ]

    async def close(self) -> None:
        pass


def drill_session(ca_path: Path, port: int, hosts: Collection[str]) -> aiohttp.ClientSession:
    """A session for the running loop that can talk to the drill exchange and to nobody else.
    Whoever asks for it closes it. It takes no proxy from the environment."""
    try:
        context = ssl.create_default_context(cafile=str(ca_path))
    except OSError as error:
        raise ConfigError(f"{ca_path}: {error}: is the drill exchange running?") from None
    connector = aiohttp.TCPConnector(
        ssl=context,
        resolver=DrillResolver(ca_path.parent, port, hosts),
        use_dns_cache=False,
        enable_cleanup_closed=False,
    )
    return aiohttp.ClientSession(connector=connector, trust_env=False)
