"""systemd's credentials: encrypted by `systemd-creds` on this machine, opened for one unit alone.

The engine reads them from the folder that systemd names in CREDENTIALS_DIRECTORY, which lives in
memory and belongs to the unit. Needs no passphrase at boot, so whoever owns the machine (or its
card, where no TPM holds the key) owns the keys.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.secrets import files
from engine.domain.errors import ConfigError

TOOL = "systemd-creds"
USER_SCOPE_SINCE = 256
"""The first systemd that encrypts for a person instead of for the machine."""
_ANSWER_S = 60.0


def credential_name(profile: str, venue: str) -> str:
    return f"pilothouse.{profile}.{venue}"


def look() -> str:
    """Why systemd cannot encrypt a credential here for this person; "" when it can."""
    if shutil.which(TOOL) is None:
        return f"{TOOL} is not installed (systemd 250 or newer has it)"
    version = _version()
    if version < 250:
        return f"systemd {version} is too old: 250 or newer is needed"
    if sys.platform != "win32" and os.geteuid() != 0 and version < USER_SCOPE_SINCE:
        return (
            f"systemd {version} encrypts for root only: add the keys as root, for a system unit, "
            f"or use systemd {USER_SCOPE_SINCE}"
        )
    return ""


def unit_trouble() -> str:
    """What a person's own unit cannot do with encrypted credentials here; "" when it can."""
    version = _version()
    if version >= USER_SCOPE_SINCE:
        return ""
    return (
        f"systemd {version} opens encrypted credentials for system units only: copy the unit to "
        "/etc/systemd/system with User= in it, or use systemd "
        f"{USER_SCOPE_SINCE} or newer"
    )


def _version() -> int:
    try:
        told = subprocess.run([TOOL, "--version"], capture_output=True, text=True, check=False)
    except OSError:
        return 0
    found = re.match(r"systemd (\d+)", told.stdout)
    return int(found[1]) if found else 0


class SystemdVault:
    """Encrypted credential files of one profile in `folder`; read through the unit's own folder
    where there is one, else decrypted by systemd."""

    name = "systemd credentials"

    def __init__(self, profile: str, folder: Path, environ: Mapping[str, str] = os.environ) -> None:
        self._profile = profile
        self._folder = folder
        self._opened = environ.get("CREDENTIALS_DIRECTORY", "")

    def path(self, venue: str) -> Path:
        return self._folder / f"{venue}.cred"

    def put(self, venue: str, content: bytes) -> None:
        """The text goes through a pipe, never through arguments or a file."""
        sealed = self._run(("encrypt", "--with-key=auto"), venue, "-", content)
        files.write_whole(self.path(venue), sealed)

    def get(self, venue: str) -> bytes | None:
        given = self.given(venue)
        if given is not None:
            return given
        if not self.path(venue).exists():
            return None
        return self._run(("decrypt",), venue, str(self.path(venue)), b"")

    def given(self, venue: str) -> bytes | None:
        """What systemd has opened for this process."""
        if not self._opened:
            return None
        try:
            path = Path(self._opened) / credential_name(self._profile, venue)
            return path.read_bytes()[: files.FILE_BYTES_MAX]
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigError(
                f"CREDENTIALS_DIRECTORY: {error.strerror}: is the engine run by its unit?"
            ) from error

    def delete(self, venue: str) -> None:
        files.remove(self.path(venue))

    def unit_line(self, venue: str) -> str:
        """What the unit's [Service] section has to say."""
        name = credential_name(self._profile, venue)
        return f"LoadCredentialEncrypted={name}:{self.path(venue)}"

    def _run(self, words: Sequence[str], venue: str, source: str, content: bytes) -> bytes:
        if why := look():
            raise ConfigError(f"systemd credentials: {why}")
        scope = [] if sys.platform == "win32" or os.geteuid() == 0 else ["--user"]
        name = f"--name={credential_name(self._profile, venue)}"
        try:
            done = subprocess.run(
                [TOOL, *scope, *words, name, source, "-"],
                input=content,
                capture_output=True,
                check=False,
                timeout=_ANSWER_S,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ConfigError(f"{TOOL}: {type(error).__name__}: try it by hand") from None
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            why = said[-1] if said else f"exit {done.returncode}"
            raise ConfigError(
                f"{TOOL} {words[0]}: {why}: the key was made on another machine, or "
                "for another person: add it again"
                if words[0] == "decrypt"
                else f"{TOOL} {words[0]}: {why}"
            )
        return done.stdout
