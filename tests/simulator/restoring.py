"""A database that is backed up, lost, and restored; each such history has one of its own."""

from dataclasses import dataclass, field, replace
from uuid import uuid4

import asyncpg
from sqlalchemy import make_url

from backend.app import move
from backend.store.installation import begin_new_life
from tests.simulator.ground import Ground, connect, tune
from tests.simulator.history import History
from tests.simulator.points import stand_between


@dataclass(slots=True)
class Vault:
    """Backups of a ground's database; ``server`` is the URL of the maintenance database."""

    server: str
    ground: Ground
    backup: str | None = None
    revoked: frozenset[str] = frozenset()
    made: list[str] = field(default_factory=list)

    async def back_up(self, h: History) -> None:
        """Make a backup of the database as it is now."""
        await self._alone()
        self.backup = await self._copy(_name(self.ground))
        self.revoked = frozenset(h.truth.revoked)
        await self._move_to(_name(self.ground))
        h.tell("the server is backed up")

    async def restore(self, h: History) -> None:
        """Lose everything since the backup; a restored database begins a new life."""
        if self.backup is None:
            await self.back_up(h)
            return
        await self._alone()
        await self._move_to(await self._copy(self.backup))
        async with self.ground.db.begin() as tx:
            await begin_new_life(tx)
        h.truth.new_life()
        h.truth.revoked = set(self.revoked)
        h.waiting.clear()
        h.uploaded.clear()
        h.tally["server restored"] += 1
        h.tell("the server is restored from its backup")

    async def _alone(self) -> None:
        """Let go of the database: it is copied only where nobody is in it."""
        await self.ground.observer.close()
        for app in self.ground.apps:
            await self.ground.db_of(app).close()

    async def _copy(self, template: str) -> str:
        name = f"sim_{uuid4().hex}"
        self.made.append(name)
        await tell_server(
            self.server, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy'
        )
        return name

    async def clear(self) -> None:
        """Remove every database but the one that is in use."""
        present = _name(self.ground)
        for name in [name for name in self.made if name != present]:
            await tell_server(self.server, f'DROP DATABASE "{name}" WITH (FORCE)')
            self.made.remove(name)

    async def _move_to(self, name: str) -> None:
        here = self.ground
        url = make_url(str(here.settings.database_url)).set(database=name)
        here.settings = replace(
            here.settings, database_url=url.render_as_string(hide_password=False)
        )
        await tune(here.settings)
        for app in here.apps:
            app.state["ground"].inspector.close()
            move(app, here.settings, here.clock)
            stand_between(here.db_of(app))
        here.observer = await connect(here)


async def tell_server(server: str, statement: str) -> None:
    """Run a statement that no transaction may hold."""
    url = make_url(server).set(drivername="postgresql")
    connection = await asyncpg.connect(url.render_as_string(hide_password=False))
    await connection.execute(statement)
    await connection.close()


def _name(here: Ground) -> str:
    return str(make_url(str(here.settings.database_url)).database)
