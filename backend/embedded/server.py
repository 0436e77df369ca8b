"""Set up, start and stop one embedded PostgreSQL. Callers hold the locks; see `occupancy`."""

import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from backend.embedded.cluster import (
    SOCKET_NAME,
    SUPERUSER,
    Cluster,
    EmbeddedFailed,
    Identity,
    binaries,
    identity,
    let_through,
)

START_SECONDS = 60.0
STOP_SECONDS = 15.0
LOG_MAX = 8 << 20

# Local trust is enough: the socket's folder is closed to everybody but the server's account.
INITDB = (
    "--auth=trust",
    "--encoding=UTF8",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    f"--username={SUPERUSER}",
)


def is_listening(cluster: Cluster) -> bool:
    """Tell whether somebody answers at the socket; a file left by a dead server does not count."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(cluster.socket_folder / SOCKET_NAME))
        except OSError:
            return False
    return True


def prepare(cluster: Cluster, tell: Callable[[str], None]) -> None:
    """Make everything ready for a launch: files, rights, and no traces of a server that was killed.

    Raises:
        EmbeddedFailed: with what the program that failed said.
    """
    account = identity(cluster)
    let_through(cluster.folder, account)
    _open_binaries(account)
    if not (cluster.folder / "PG_VERSION").exists():
        tell("setting up PostgreSQL")
        _create(cluster, account)
    _forget_stale(cluster)
    _prepare_socket_folder(cluster, account)


def mend(cluster: Cluster) -> None:
    """Make a server that died ready for a launch; nothing is ever set up anew here.

    Raises:
        EmbeddedFailed: its files are gone, or its socket's folder is not ours any more.
    """
    if not (cluster.folder / "PG_VERSION").exists():
        raise EmbeddedFailed(f"{cluster.folder} is gone")
    _forget_stale(cluster)
    _prepare_socket_folder(cluster, identity(cluster))


def launch(cluster: Cluster, tuning: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start the server as a child of this process."""
    account = identity(cluster)
    settings = {"listen_addresses": "", "unix_socket_directories": str(cluster.socket_folder)}
    options = [f"--{name}={value}" for name, value in {**settings, **tuning}.items()]
    with cluster.log.open("ab") as log:
        if log.tell() > LOG_MAX:
            log.truncate(0)
        if account:
            os.fchown(log.fileno(), account["user"], account["group"])
        return subprocess.Popen(
            [str(binaries() / "postgres"), "-D", str(cluster.folder), *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
            env=_environment(),
            **account,
        )


def wait_until_ready(cluster: Cluster, alive: Callable[[], bool]) -> None:
    """Return when the server takes connections and has our database.

    Raises:
        EmbeddedFailed: it ended, or START_SECONDS passed; with the end of its log.
    """
    deadline = time.monotonic() + START_SECONDS
    ready = [str(binaries() / "pg_isready"), "-q", *_login(cluster)]
    while not is_listening(cluster) or subprocess.run(ready, check=False).returncode != 0:
        if not alive() or time.monotonic() > deadline:
            raise EmbeddedFailed(f"PostgreSQL did not start\n{log_tail(cluster)}")
        time.sleep(0.02)
    _ensure_database(cluster)


def stop(cluster: Cluster) -> None:
    """Bring the server down if it is up, and leave nothing of it outside the data folder."""
    _end(cluster)
    tidy(cluster)


def tidy(cluster: Cluster) -> None:
    """Remove what a server that has ended left outside the data folder."""
    if cluster.socket_folder != cluster.folder and server_pid(cluster) is None:
        with contextlib.suppress(OSError):
            cluster.socket_folder.rmdir()


def _end(cluster: Cluster) -> None:
    """Ask the server to end: politely first, then at once."""
    for sign, seconds in ((signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, 5.0)):
        pid = server_pid(cluster)
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sign)
        deadline = time.monotonic() + seconds
        while server_pid(cluster) is not None and time.monotonic() < deadline:
            time.sleep(0.02)


def server_pid(cluster: Cluster) -> int | None:
    """Return the living server's process; a stranger with its old number does not count."""
    try:
        pid = int((cluster.folder / "postmaster.pid").read_text().split("\n", 1)[0])
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    return pid if str(cluster.folder) in _command_line(pid) else None


def _command_line(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
    listed = ["ps", "-o", "command=", "-p", str(pid)]
    return subprocess.run(listed, capture_output=True, text=True, check=False).stdout


def _create(cluster: Cluster, account: Identity) -> None:
    """Run initdb beside the final place, then move: a kill leaves nothing half made."""
    fresh = cluster.folder.with_name("postgres.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    if account:
        os.chown(fresh, account["user"], account["group"])
    _run("initdb", [*INITDB, "-D", str(fresh)], account)
    fresh.rename(cluster.folder)


def _forget_stale(cluster: Cluster) -> None:
    """Remove a dead server's pid files: its number may live on as an innocent process."""
    if server_pid(cluster) is None:
        (cluster.folder / "postmaster.pid").unlink(missing_ok=True)
        (cluster.socket_folder / f"{SOCKET_NAME}.lock").unlink(missing_ok=True)


def _prepare_socket_folder(cluster: Cluster, account: Identity) -> None:
    folder = cluster.socket_folder
    if folder == cluster.folder:
        return
    owner = account["user"] if account else os.geteuid()
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        os.chown(folder, owner, -1)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & 0o077:
        raise EmbeddedFailed(f"{folder} is not a private folder of ours; remove it")


def _open_binaries(account: Identity) -> None:
    """Make sure the account can run the server's programs, even if root keeps them private."""
    if not account:
        return
    folder = binaries()
    let_through(folder / "postgres", account)
    with contextlib.suppress(EmbeddedFailed):
        _run("postgres", ["--version"], account)
        return
    package = folder.parent.parent
    for top in (folder.parent, package.with_name(f"{package.name}.libs")):
        for path in (top, *top.rglob("*")):
            mode = path.stat().st_mode
            path.chmod(mode | stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0))


def _ensure_database(cluster: Cluster) -> None:
    query = "SELECT 1 FROM pg_database WHERE datname = 'doorstep'"
    if not _run("psql", [*_login(cluster), "-XAtc", query, "postgres"], {}).strip():
        _run("createdb", [*_login(cluster), "doorstep"], {})


def _login(cluster: Cluster) -> list[str]:
    return ["-h", str(cluster.socket_folder), "-U", SUPERUSER]


def _environment() -> dict[str, str]:
    """Our environment without what would redirect PostgreSQL's programs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C"}


def _run(program: str, arguments: Sequence[str], account: Identity) -> str:
    try:
        done = subprocess.run(
            [str(binaries() / program), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            cwd="/",
            env=_environment(),
            check=False,
            **account,
        )
    except OSError as error:
        raise EmbeddedFailed(f"{program}: {error}") from error
    if done.returncode != 0:
        said = f"{done.stdout}\n{done.stderr}".strip()[-800:]
        raise EmbeddedFailed(f"{program} failed ({done.returncode}): {said}")
    return done.stdout


def log_tail(cluster: Cluster) -> str:
    """Return the end of what the server told, at most 1500 characters."""
    with contextlib.suppress(OSError):
        return cluster.log.read_text(errors="replace")[-1500:]
    return ""
