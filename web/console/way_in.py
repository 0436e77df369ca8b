"""The way into the console's pages and out again; faults as pages; the pages' own few files."""

from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

from litestar import Controller, Request, Response, get, post
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.params import FromPath

from backend.domain.people import Role
from backend.errors import NotFound, NotSignedIn, TooManyTries
from backend.identity import people
from backend.identity.callers import CSRF_COOKIE, SESSION_COOKIE, address_of
from backend.identity.people import SignedIn
from backend.settings import Settings
from backend.store import inbox as inbox_store
from backend.store.database import Database, Tx
from backend.wire.problem import noted, render
from backend.wire.request_id import AnyRequest, request_id
from web.board import place_now
from web.console.forms import read_fields, read_form
from web.console.paper import Html, Reader, go, paint
from web.console.sign_in import ended_cookies, session_cookies

PlainRequest = Request[None, None, State]

_ASSETS = Path(__file__).parent / "assets"
_TYPES = MappingProxyType(
    {
        "console.css": "text/css",
        "live.js": "text/javascript",
        "icon.svg": "image/svg+xml",
    }
)


class WayInController(Controller):
    """Sign in, sign out, and what every page loads."""

    include_in_schema = False

    @post("/sign-in", opt={"public": True})
    async def sign_in(
        self,
        request: PlainRequest,
        db: NamedDependency[Database],
        settings: NamedDependency[Settings],
    ) -> Html:
        """Open a session, and go where the person wanted to."""
        fields = await read_fields(request)
        email, password = fields.get("email", "")[:254], fields.get("password", "")[:1_000]
        onward = ours(fields.get("next", ""))
        try:
            opened = await people.sign_in(db, email, password, address_of(request, settings))
        except (people.SignInFailed, TooManyTries) as error:
            fault = error.title
            if isinstance(error, TooManyTries):
                fault = "Too many tries. Wait a while, then try again."
            return way_in(onward, email=email, fault=fault, status=error.status)
        answer = go(onward)
        for cookie in session_cookies(opened, settings):
            answer.set_cookie(cookie)
        return answer

    @post("/sign-out")
    async def sign_out(self, request: PlainRequest, db: NamedDependency[Database]) -> Html:
        """End the session."""
        await read_form(request, db)
        await people.sign_out(db, request.cookies.get(SESSION_COOKIE, ""))
        answer = go("/console/?said=signed-out")
        for cookie in ended_cookies():
            answer.set_cookie(cookie)
        return answer

    @get("/assets/{name:str}", opt={"public": True})
    async def asset(self, request: PlainRequest, name: FromPath[str]) -> Html:
        """Return a style sheet, a script or the icon."""
        return _asset(request, name)


class FrontDoorController(Controller):
    """The bare address, and the icon that browsers look for beside it."""

    include_in_schema = False

    @get("/", opt={"public": True})
    async def front_door(self) -> Html:
        """Lead to the console."""
        return go("/console/")

    @get("/favicon.ico", opt={"public": True})
    async def icon(self, request: PlainRequest) -> Html:
        """Return the icon to whoever shows a page that names none."""
        return _asset(request, "icon.svg")


def _asset(request: PlainRequest, name: str) -> Html:
    if name not in _TYPES:
        raise NotFound
    content = (_ASSETS / name).read_bytes()
    tag = f'"{sha256(content).hexdigest()[:20]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    if tag.strip('"') in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=headers)
    return Response(content, media_type=_TYPES[name], headers=headers)


def nothing_there(request: AnyRequest, error: Exception) -> Response[bytes]:
    """Answer a call that no route takes: a page where a browser looked for one, else a problem."""
    path = str(request.scope["path"])
    among_pages = path.startswith("/console/") and not f"{path}/".startswith("/console/v1/")
    if among_pages and "text/html" in request.headers.get("accept", ""):
        return page_fault(request, error)
    return render(request, error)


def page_fault(request: AnyRequest, error: Exception) -> Html:
    """Answer a fault with a page; to a stranger, with the way in and back."""
    known = noted(request, error)
    if isinstance(known, NotSignedIn):
        onward = str(request.url.path) if request.method == "GET" else ""
        return way_in(ours(onward), status=known.status)
    answer = paint(
        "fault.html", Reader(), status=known.status, fault=known, request=request_id(request.scope)
    )
    answer.headers.update(known.headers)
    return answer


def way_in(
    onward: str = "/console/",
    *,
    email: str = "",
    fault: str = "",
    said: str = "",
    status: int = 200,
) -> Html:
    filled = {"next": onward, "email": email, "fault": fault}
    return paint("sign_in.html", Reader(), status=status, said=said, **filled)


def ours(path: str) -> str:
    """Keep to this console: a path elsewhere, or anything odd, leads to the front page."""
    plain = path.isascii() and path.isprintable() and "//" not in path and "\\" not in path
    return path if plain and path.startswith("/console/") else "/console/"


async def reading(request: PlainRequest, db: Database) -> SignedIn:
    token = request.cookies.get(SESSION_COOKIE, "")
    if not token:
        raise people.SessionOver
    return await people.of_session(db, token, cookie=True, csrf=None, changes=False)


async def reader_of(tx: Tx, request: PlainRequest, person: SignedIn) -> Reader:
    waiting = await inbox_store.count_open(tx, person.scope)
    cursor = await place_now(tx, person)
    return Reader(person, request.cookies.get(CSRF_COOKIE, ""), waiting, cursor)


def may_change(person: SignedIn) -> bool:
    return person.role in (Role.SUPERVISOR, Role.ADMIN)
