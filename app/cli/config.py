"""`config show` and `config check`: what the settings are, and whether a file is right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.output import print_json, print_table
from engine.domain.errors import BadInput

if TYPE_CHECKING:
    from app.settings import Loaded

app = typer.Typer()


@app.command("show")
def show(
    json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """The settings in force, and where each value comes from."""
    from app import paths, settings

    loaded = settings.load()
    rows = [
        (f"{section}.{key}", getattr(getattr(loaded.settings, section), key))
        for section, (_, parsers) in settings.SCHEMA.items()
        for key in parsers
    ]
    file = paths.locate().settings_file
    if json:
        values = {field: {"value": value, "source": loaded.sources[field]} for field, value in rows}
        print_json({"file": str(file), "exists": file.exists(), "settings": values})
        return
    print(f"{file}{'' if file.exists() else ' (does not exist; all values are defaults)'}\n")
    print_table(
        ("setting", "value", "source"),
        [(field, _shown(value), loaded.sources[field]) for field, value in rows],
    )


@app.command("check")
def check(
    file: Annotated[Path | None, typer.Argument(help="By default the one in force.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Say whether a settings file is right, and the key map that it names; the first mistake ends
    it, with exit 2 (settings) or 4 (keys)."""
    from app import paths, settings

    loaded = settings.load(file)
    _check_what_it_names(loaded)
    checked = file or paths.locate().settings_file
    count = sum(source != settings.DEFAULT for source in loaded.sources.values())
    if json:
        print_json({"file": str(checked), "ok": True, "values_set": count})
    elif checked.exists():
        print(f"{checked}: right, {count} values set")
    else:
        print(f"{checked}: does not exist, all values are defaults")


def _check_what_it_names(loaded: Loaded) -> None:
    """The scenario, the venue and the key map, as the programs that take them will."""
    from app import paths, settings
    from app.faces import look_of
    from app.scenarios import paper_scenario
    from app.views.keymap import load_keymap

    try:
        paper_scenario(loaded.settings.paper)
        if loaded.sources["live.venue"] != settings.DEFAULT:
            from app.live_venues import PROVEN_VENUES

            venue = loaded.settings.live.venue
            if venue not in PROVEN_VENUES:
                raise BadInput("live.venue", venue, f"proven are {', '.join(PROVEN_VENUES)}")
    except BadInput as error:
        place = loaded.sources.get(error.field, settings.DEFAULT)
        if place == settings.DEFAULT:
            raise
        raise BadInput(f"{place}: {error.field}", error.value, error.remedy) from None
    look = look_of(loaded.settings.ui, paths.locate())
    load_keymap(look["keymap_path"], look["preset"])


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) or '""'
