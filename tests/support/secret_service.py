"""A desktop's keyring on a D-Bus of its own: org.freedesktop.secrets, as far as clients ask for it.

with SecretService(tmp_path) as desktop:          # a real dbus-daemon, a real client library
    environ = {"DBUS_SESSION_BUS_ADDRESS": desktop.address}
    desktop.is_locked = True                      # and whoever it asks dismisses the question
    desktop.forgets = True                        # takes secrets and keeps none
"""

from __future__ import annotations

import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any, Self

from jeepney import DBusAddress, HeaderFields, MessageType, new_error, new_method_return
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import DBusConnection, open_dbus_connection
from jeepney.low_level import Message
from jeepney.wrappers import new_signal

Answer = tuple[str | None, tuple[Any, ...]] | None
"""Signature and body; None: not supported."""

HAS_DBUS = shutil.which("dbus-daemon") is not None

NAME = "org.freedesktop.secrets"
SERVICE = "/org/freedesktop/secrets"
COLLECTION = "/org/freedesktop/secrets/collection/login"
SESSION = "/org/freedesktop/secrets/session/1"
PROMPT = "/org/freedesktop/secrets/prompt/1"
NOTHING = "/"

_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""


class SecretService:
    def __init__(self, folder: Path) -> None:
        self.address = f"unix:path={folder / 'bus'}"
        self.is_locked = False
        self.forgets = False
        self.kept: dict[str, tuple[dict[str, str], bytes]] = {}
        """Attributes and secret by the item's path."""
        self._last = 0
        config = folder / "bus.conf"
        config.write_text(_CONFIG.format(socket=folder / "bus"))
        self._daemon = subprocess.Popen(
            ["dbus-daemon", "--config-file", str(config), "--nofork", "--print-address=1"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._daemon.stdout is not None
        self._daemon.stdout.readline()  # It listens now.
        self._bus: DBusConnection = open_dbus_connection(self.address)
        self._bus.send_and_get_reply(message_bus.RequestName(NAME))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._daemon.terminate()
        self._daemon.communicate()
        self._thread.join(10)
        self._bus.close()

    def _serve(self) -> None:
        while True:
            try:
                message = self._bus.receive()
            except (ConnectionError, OSError, EOFError):
                return
            if message.header.message_type is MessageType.method_call:
                self._bus.send(self._answer(message))
                if message.header.fields[HeaderFields.member] == "Prompt":
                    self._dismiss()

    def _answer(self, message: Message) -> Message:
        fields = message.header.fields
        method = getattr(self, f"_{fields[HeaderFields.member]}", None)
        if method is None:
            return new_error(message, "org.freedesktop.DBus.Error.UnknownMethod")
        answer = method(fields[HeaderFields.path], *message.body)
        if answer is None:
            return new_error(message, "org.freedesktop.DBus.Error.NotSupported")
        return new_method_return(message, *answer)

    def _dismiss(self) -> None:
        """Whoever is asked to unlock closes the window."""
        emitter = DBusAddress(PROMPT, interface="org.freedesktop.Secret.Prompt")
        self._bus.send(new_signal(emitter, "Completed", "bv", (True, ("ao", []))))

    # -- the interface, under its own names ------------------------------------------------------

    def _OpenSession(self, path: str, algorithm: str, given: Any) -> Answer:
        return ("vo", (("s", ""), SESSION)) if algorithm == "plain" else None

    def _ReadAlias(self, path: str, name: str) -> Answer:
        return "o", (COLLECTION,)

    def _Get(self, path: str, interface: str, name: str) -> Answer:
        if name == "Locked":
            return "v", (("b", self.is_locked),)
        if name == "Attributes":
            return "v", (("a{ss}", self.kept[path][0]),)
        return "v", (("s", "login"),)

    def _Unlock(self, path: str, objects: list[str]) -> Answer:
        return "aoo", (([], PROMPT) if self.is_locked else (objects, NOTHING))

    def _Prompt(self, path: str, window: str) -> Answer:
        return None, ()

    def _SearchItems(self, path: str, wanted: dict[str, str]) -> Answer:
        found = [item for item, (known, _) in self.kept.items() if wanted.items() <= known.items()]
        if path != SERVICE:
            return "ao", (found,)
        return "aoao", (found, [])

    def _CreateItem(
        self, path: str, properties: dict[str, Any], secret: tuple[Any, ...], replace: bool
    ) -> Answer:
        attributes = properties["org.freedesktop.Secret.Item.Attributes"][1]
        same = [item for item, (known, _) in self.kept.items() if known == attributes]
        if same and replace:
            item = same[0]
        else:
            self._last += 1
            item = f"{COLLECTION}/{self._last}"
        if not self.forgets:
            self.kept[item] = (attributes, bytes(secret[2]))
        return "oo", (item, NOTHING)

    def _GetSecret(self, path: str, session: str) -> Answer:
        return "(oayays)", ((SESSION, b"", self.kept[path][1], "text/plain"),)

    def _Delete(self, path: str) -> Answer:
        del self.kept[path]
        return "o", (NOTHING,)
