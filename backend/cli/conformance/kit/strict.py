"""A strict server on this machine: an app is pointed at it, and judged by what it sends."""

import gzip
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import zstandard

from backend.cli.conformance.kit.scenes import SCENES
from backend.cli.conformance.kit.stage import MOST_BYTES, Reply, Said, Stage, problem
from backend.cli.conformance.kit.verdict import Result
from backend.cli.conformance.kit.wire import Json

_POLL_S = 0.2


class Strict:
    """The server, its one enrolment code, and what it found."""

    def __init__(self, server: ThreadingHTTPServer, stage: Stage, lock: threading.Lock) -> None:
        self._stage, self._lock = stage, lock
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        self.code = stage.code
        self.over = threading.Event()

    def wait(self, seconds: float) -> bool:
        """Return when every scene was played, or the time is up; tell which."""
        return self.over.wait(seconds)

    def results(self) -> list[Result]:
        """One line for each rule."""
        with self._lock:
            return self._stage.results()


@contextmanager
def trying(port: int = 0) -> Iterator[Strict]:
    """Serve until the block ends."""
    stage, lock = Stage(secrets.token_hex(4).upper(), SCENES), threading.Lock()
    strict: list[Strict] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            with lock:
                reply = _answer(stage, self, raw)
                if stage.is_over:
                    strict[0].over.set()
            if reply is None:
                self.close_connection = True
                return
            body = json.dumps(reply[1]).encode()
            self.send_response(reply[0])
            self.send_header("Content-Type", _media(reply[0]))
            self.send_header("Content-Length", str(len(body)))
            if reply[0] == 503:
                self.send_header("Retry-After", "1")
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_HEAD = _serve  # noqa: N815 - names the library looks for

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as above
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        strict.append(Strict(server, stage, lock))
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield strict[0]
        finally:
            server.shutdown()
            thread.join()


def _answer(stage: Stage, request: BaseHTTPRequestHandler, raw: bytes) -> Reply:
    try:
        said = _read(raw, request.headers.get("Content-Encoding", "identity"))
    except (ValueError, OSError, zstandard.ZstdError):
        return problem(400, "envelope_invalid")
    match request.path:
        case "/driver/v1/devices":
            return stage.enrol(said)
        case "/driver/v1/tokens":
            return stage.exchange(said)
        case "/driver/v1/sync":
            token = request.headers.get("Authorization", "").removeprefix("Bearer ")
            acts = [act for act in said.get("mutations", []) if isinstance(act, dict)]
            return stage.sync(Said(token, said.get("cursor"), acts, len(json.dumps(said))))
        case _:
            return problem(404, "not_found")


def _read(raw: bytes, coding: str) -> Json:
    if coding == "gzip":
        raw = gzip.decompress(raw)
    elif coding == "zstd":
        reader = zstandard.ZstdDecompressor().stream_reader(raw)
        raw = reader.read(4 * MOST_BYTES)
    value = json.loads(raw or b"{}")
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - of input, not of an argument
    return value


def _media(status: int) -> str:
    return "application/json" if status < 400 else "application/problem+json"
