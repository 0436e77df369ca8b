"""compose.yaml and Containerfile speak of nothing that does not exist.

No container engine is needed, and none is used: what is written there is held against the command
line, the settings and the tree.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from backend.cli import doorstep
from backend.settings import load

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
CONTAINERFILE = (ROOT / "Containerfile").read_text()
OURS = {name: s for name, s in COMPOSE["services"].items() if s["image"] == "doorstep:local"}


class Recording(Mapping[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def filled_in(text: str) -> str:
    """Replace ${NAME:-default} and ${NAME:?why} as compose would, with a made-up secret."""
    return re.sub(r"\$\{\w+:(?:-([^}]*)|\?[^}]*)\}", lambda found: found[1] or "secret", text)


def parse(words: list[str]) -> None:
    """Let the command line read the words, without doing anything."""
    command: click.Command = doorstep
    context = click.Context(command)
    while isinstance(command, click.Group):
        name, *words = words
        found = command.get_command(context, name)
        assert found is not None, f"there is no command {name}"
        command = found
    command.make_context(command.name, list(words), parent=context)


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_command_exists(name: str) -> None:
    """What a service runs is a command of ours, with options it knows."""
    parse([str(word) for word in OURS[name]["command"]])


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_variable_is_read(name: str) -> None:
    """Each variable a service sets is one that the settings ask for, and the values are fit."""
    environ = Recording({k: filled_in(str(v)) for k, v in OURS[name]["environment"].items()})
    settings = load(environ)
    assert set(environ) <= environ.asked
    assert settings.database_url == "postgresql+asyncpg://doorstep:secret@db/doorstep"
    assert settings.s3 is not None


def test_every_variable_of_ours_is_known() -> None:
    """A DOORSTEP_ name anywhere in the two files is read by the settings, or is compose's own."""
    environ = Recording(dict.fromkeys(next(iter(OURS.values()))["environment"], "x"))
    environ._values["DOORSTEP_NIGHTLY_HOUR"] = "2"
    load(environ)
    text = CONTAINERFILE + (ROOT / "compose.yaml").read_text()
    named = set(re.findall(r"DOORSTEP_[A-Z0-9_]+", text))
    assert named - environ.asked == {"DOORSTEP_DB_PASSWORD"}


def test_the_image_is_built_from_what_is_there() -> None:
    """Every file the image copies exists, and its default command is one of ours."""
    copied = [
        word
        for line in re.findall(r"^COPY (.+) \S+$", CONTAINERFILE, re.MULTILINE)
        for word in line.split()
    ]
    assert copied
    assert [path for path in copied if not (ROOT / path).exists()] == []
    entry, command = (
        json.loads(found)
        for found in re.findall(r"^(?:ENTRYPOINT|CMD) (.+)$", CONTAINERFILE, re.MULTILINE)
    )
    assert entry == ["doorstep"]
    parse(command)


def test_services_and_volumes_are_declared() -> None:
    """A service waits only for services that exist and keeps data only in declared volumes."""
    services: dict[str, Any] = COMPOSE["services"]
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
        assert {volume.split(":")[0] for volume in service.get("volumes", [])} <= set(
            COMPOSE["volumes"]
        )
