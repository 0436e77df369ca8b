"""The console's pages as HTML: templates filled with words, times in the depot's own zone."""

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from types import MappingProxyType
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import MediaType, Response

from backend.clock import rfc3339
from backend.identity.people import SignedIn

SAFE_HEADERS = MappingProxyType(
    {
        "Content-Security-Policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
            "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        ),
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex",
        "Cache-Control": "no-store",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    }
)


Html = Response[bytes]

SAID = MappingProxyType(
    {
        "overridden": "Done. It is written in the log, with your name and note.",
        "waits": "Another supervisor has to confirm before anything changes.",
        "confirmed": "Confirmed.",
        "resolved": "Resolved.",
        "answered": "Somebody else has answered it otherwise; nothing of your answer was done.",
        "done": "Done.",
        "signed-out": "You are signed out.",
    }
)


@dataclass(frozen=True, slots=True)
class Reader:
    """Who looks at a page, with what its frame shows."""

    person: SignedIn | None = None
    csrf: str = ""
    waiting: int = 0
    cursor: str = ""


def paint(
    template: str, reader: Reader, *, status: int = 200, said: str = "", **filled: object
) -> Html:
    """Fill a template and answer with it."""
    content = _pages.get_template(template).render(
        {
            "person": reader.person,
            "csrf": reader.csrf,
            "waiting": reader.waiting,
            "cursor": reader.cursor,
            "here": "",
            "said": said,
            **filled,
        }
    )
    return Response(
        content.encode(),
        status_code=status,
        media_type=MediaType.HTML,
        headers=dict(SAFE_HEADERS),
    )


def go(path: str) -> Html:
    """Send the browser on after a form."""
    headers = {**SAFE_HEADERS, "Location": path}
    return Response(b"", status_code=303, media_type=MediaType.TEXT, headers=headers)


def _local(moment: datetime, zone: str, day: bool) -> str:  # noqa: FBT001 - a template's filter
    there = moment.astimezone(ZoneInfo(zone))
    return there.strftime("%d %b %H:%M" if day else "%H:%M")


def span(milliseconds: int) -> str:
    """Round a span up, in the unit that a person would say it in."""
    seconds = -(-milliseconds // 1000)
    if seconds < 120:
        return f"{seconds} s"
    return f"{-(-seconds // 60)} min" if seconds < 7200 else f"{-(-seconds // 3600)} h"


def _bytes(count: int) -> str:
    return f"{count / 1024:.0f} KB" if count >= 1024 else f"{count} B"


def _day(value: date) -> str:
    return value.strftime("%A, %d %B %Y")


def _short(value: date) -> str:
    return value.strftime("%d %b")


_pages = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_pages.filters |= {
    "wire": rfc3339,
    "local": _local,
    "span": span,
    "bytes": _bytes,
    "day": _day,
    "short": _short,
}
