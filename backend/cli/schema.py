"""The database's shape: Alembic, driven from here, so that there is no configuration file to find.

Several processes may start at once; an advisory lock lets one migrate while the others wait.
"""

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alembic.config import Config

_REVISION = re.compile(r'^revision(?:: [^=]+)? = "(\w+)"', re.MULTILINE)
_DOWN_REVISION = re.compile(r'^down_revision(?:: [^=]+)? = "(\w+)"', re.MULTILINE)
SCRIPTS = Path(__file__).parents[2] / "migrations"


def upgrade(url: str, revision: str = "head") -> None:
    """Bring the database up to a revision."""
    from alembic import command

    command.upgrade(_config(url), revision)


def downgrade(url: str, revision: str) -> None:
    """Take the database down to a revision; `base` leaves it empty."""
    from alembic import command

    command.downgrade(_config(url), revision)


def check(url: str) -> None:
    """Compare the tables in the code with the database.

    Raises:
        alembic.util.CommandError: they differ; the message lists how.
    """
    from alembic import command

    command.check(_config(url))


def write_revision(url: str, message: str) -> None:
    """Write a new migration that takes the database to what the code says."""
    from alembic import command

    command.revision(_config(url), message, autogenerate=True)


def newest() -> str | None:
    """Return the one head of the migrations, None while there are none.

    The files are read as text: Alembic takes half a second to import, and every command asks.
    """
    texts = [path.read_text() for path in (SCRIPTS / "versions").glob("*.py")]
    known = {found[1] for text in texts if (found := _REVISION.search(text))}
    below = {found[1] for text in texts if (found := _DOWN_REVISION.search(text))}
    heads = known - below
    if len(heads) > 1:
        raise RuntimeError(f"the migrations have several heads: {', '.join(sorted(heads))}")
    return heads.pop() if heads else None


def is_current(url: str) -> bool:
    """Tell whether the database is where the newest migration leaves it."""
    return revision(url) == newest()


def revision(url: str) -> str | None:
    """Return where the database is, None while it is empty."""
    import asyncio

    return asyncio.run(_revision(url))


async def _revision(url: str) -> str | None:
    import asyncpg  # and not SQLAlchemy, whose import takes longer than all the rest

    connection = await asyncpg.connect(url.replace("+asyncpg", "", 1), timeout=10)
    try:
        found = await connection.fetchval("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        return None  # an empty database
    finally:
        await connection.close()
    return None if found is None else str(found)


def _config(url: str) -> "Config":
    from alembic.config import Config

    config = Config(stdout=io.StringIO())  # stdout is for the command's own result
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    name = "%%(year)d-%%(month).2d-%%(day).2d-%%(hour).2d%%(minute).2d_%%(slug)s"
    config.set_main_option("file_template", name)
    config.set_main_option("timezone", "UTC")
    config.attributes["url"] = url
    return config
