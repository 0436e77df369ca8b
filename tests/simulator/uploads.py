"""Evidence on a bad road: ranges in any order, twice, overlapping, cut off, and spoilt."""

from base64 import b64encode

from litestar import Litestar

from tests.simulator.driver import dying
from tests.simulator.history import History
from tests.simulator.line import Answer, Headers, call
from tests.simulator.phone import Phone
from tests.simulator.points import Request
from tests.simulator.truth import Violated

_TUS = ((b"tus-resumable", b"1.0.0"),)
_PATCH = (b"content-type", b"application/offset+octet-stream")
_PATH = "/driver/v1/evidence"
_EXPECTED = {201, 204, 409, 460, 404, 403}


async def upload(h: History) -> None:
    """A phone uploads a signature, piece by piece, as well as the road lets it."""
    phone, sha256 = h.dice.pick(h.live), _a_named_file(h)
    h.tally["uploads"] += 1
    h.tell(f"{h.name(phone)} uploads {sha256[:6]}")
    await _create(h, phone, sha256)
    for _ in range(h.dice.number(1, 4)):
        await _a_piece(h, phone, sha256)
    if h.dice.chance(7):
        await finish(h, phone, sha256)


async def finish(h: History, phone: Phone, sha256: str) -> None:
    """Send what is missing, from where the server says it stands, over a sound road."""
    content = h.files[sha256]
    await _create(h, phone, sha256)
    for _ in range(3):
        here = await _call(h, phone, "HEAD", f"{_PATH}/{sha256}")
        if here is None or here.status in (403, 404):
            return  # revoked, or the server died before it heard of it
        offset = int(here.headers[b"upload-offset"])
        if offset == len(content):
            h.uploaded.add((phone.driver, sha256))
            h.tell(f"    {sha256[:6]} is whole")
            return
        await _patch(h, phone, sha256, offset, content[offset:])
    raise Violated(f"I13: {sha256[:6]} of {h.name(phone)} cannot be finished")


def _a_named_file(h: History) -> str:
    if not h.files or h.dice.chance(2):
        return h.a_file()[0]
    return h.dice.pick(sorted(h.files))


async def _create(h: History, phone: Phone, sha256: str) -> None:
    words = {"sha256": sha256, "kind": "signature", "media_type": "application/json"}
    said = ",".join(f"{name} {b64encode(word.encode()).decode()}" for name, word in words.items())
    size = str(len(h.files[sha256])).encode()
    head: Headers = ((b"upload-length", size), (b"upload-metadata", said.encode()))
    await _call(h, phone, "POST", _PATH, headers=head)


async def _a_piece(h: History, phone: Phone, sha256: str) -> None:
    """Send some bytes: the right ones, wrong ones, at a wrong place, or cut off on the way."""
    content = h.files[sha256]
    here = await _call(h, phone, "HEAD", f"{_PATH}/{sha256}")
    if here is None or here.status != 200:
        return
    offset = int(here.headers[b"upload-offset"])
    piece = content[offset : offset + h.dice.number(1, len(content))]
    how = h.dice.pick(("right", "right", "wrong bytes", "wrong place", "cut off", "server dies"))
    h.tally[f"piece: {how}"] += 1
    match how:
        case "wrong bytes":
            piece = bytes(len(piece))
        case "wrong place":
            offset = h.dice.number(0, len(content))
            piece = content[offset:]
        case _:
            pass
    request = dying(h) if how == "server dies" else None
    cut = how == "cut off"
    await _patch(h, phone, sha256, offset, piece, request=request, breaks_off=cut)


async def _patch(
    h: History,
    phone: Phone,
    sha256: str,
    offset: int,
    piece: bytes,
    *,
    request: Request | None = None,
    breaks_off: bool = False,
) -> None:
    head: Headers = (_PATCH, (b"upload-offset", str(offset).encode()))
    path = f"{_PATH}/{sha256}"
    answer = await _call(h, phone, "PATCH", path, piece, head, request, breaks_off=breaks_off)
    if answer is not None and answer.status not in _EXPECTED and not breaks_off:
        raise Violated(f"I13: a piece was answered {answer.status}: {answer.body[:200]!r}")


async def _call(
    h: History,
    phone: Phone,
    method: str,
    path: str,
    body: bytes = b"",
    headers: Headers = (),
    request: Request | None = None,
    *,
    breaks_off: bool = False,
) -> Answer | None:
    app: Litestar = h.ground.apps[0]
    token = h.token(phone)
    return await h.serve(
        request or Request(),
        lambda: call(app, method, path, token, body, headers=_TUS + headers, breaks_off=breaks_off),
    )
