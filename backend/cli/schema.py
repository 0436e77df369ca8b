"""The database's shape: Alembic, driven from here, so that there is no configuration file to find.

Several processes may start at once; an advisory lock lets one migrate while the others wait.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alembic.config import Config

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
    """Return the one head of the migrations, None while there are none."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_config("")).get_current_head()


def _config(url: str) -> "Config":
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    name = "%%(year)d-%%(month).2d-%%(day).2d-%%(hour).2d%%(minute).2d_%%(slug)s"
    config.set_main_option("file_template", name)
    config.set_main_option("timezone", "UTC")
    config.attributes["url"] = url
    return config
