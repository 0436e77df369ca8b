"""The scenes that the strict server plays: the trouble, and the debt an app then has."""

from collections.abc import Callable
from uuid import uuid4

from backend.cli.conformance.kit.stage import NOT_YET, Reply, Said, Stage, problem
from backend.cli.conformance.kit.wire import Json


def _first(stage: Stage, said: Said) -> Reply:
    """The first call."""
    stage.hold("C.6", said.cursor is None, f"cursor {said.cursor!r}")
    return 200, stage.reply([stage.take(act) for act in said.acts], said)


def _lost_reply(stage: Stage, said: Said) -> Reply:
    """Take the acts in and hang up."""
    if not said.acts:
        return NOT_YET
    sent = [act["n"] for act in said.acts]
    for act in said.acts:
        stage.take(act)
    stage.owed = "C.7", _has_all(sent)
    return None


def _busy(stage: Stage, said: Said) -> Reply:
    """Have no time just now."""
    if not any(act["n"] > stage.acked for act in said.acts):
        return NOT_YET
    stage.owed = "C.8", _has_all([act["n"] for act in said.acts])
    return problem(503, "unavailable")


def _expired(stage: Stage, _said: Said) -> Reply:
    """Let the access token run out."""
    stage.access = uuid4().hex
    return problem(401, "token_expired")


def _gap(stage: Stage, said: Said) -> Reply:
    """Miss the last act of a batch, as if it had never come."""
    fresh = [act for act in said.acts if act["n"] > stage.acked]
    if not fresh:
        return NOT_YET
    receipts = [stage.take(act) for act in said.acts[:-1]]
    last = said.acts[-1]
    held = {"n": last["n"], "id": last.get("id"), "outcome": "held", "duplicate": False}
    held |= {"code": "gap", "detail": None, "stop": None, "findings": [], "entry": None}
    stage.owed = "C.10", _has_all([last["n"]])
    return 200, stage.reply([*receipts, held], said, need_from=last["n"])


def _more(stage: Stage, said: Said) -> Reply:
    """Give one page of two."""
    receipts = [stage.take(act) for act in said.acts]
    cursor = f"{stage.epoch}/page"

    def follows(next_: Said) -> str | None:
        return None if next_.cursor == cursor else f"cursor {next_.cursor!r}"

    stage.owed = "C.11", follows
    puts = stage.entities()[:1]
    paged = {"reset": True, "more": True, "cursor": cursor, "puts": puts, "digest": None}
    return 200, stage.reply(receipts, said, **paged)


def _wrong_digest(stage: Stage, said: Said) -> Reply:
    """Lose an entity on the way."""
    stage.v += 1
    reply = stage.reply([stage.take(act) for act in said.acts], said)

    def asks_anew(next_: Said) -> str | None:
        return None if next_.cursor is None else f"cursor {next_.cursor!r}"

    stage.owed = "C.12", asks_anew
    return 200, {**reply, "puts": reply["puts"][:-1]}


def _restored(stage: Stage, said: Said) -> Reply:
    """Come back from a backup of before the first act."""
    if len(stage.kept) < 3:
        return NOT_YET
    stage.before, stage.kept, stage.acked = dict(stage.kept), {}, 0
    stage.epoch = str(uuid4())
    missing = set(stage.before)

    def heals(next_: Said) -> str | None:
        if next_.cursor is not None:
            return f"cursor {next_.cursor!r}"
        missing.difference_update(act["n"] for act in next_.acts)
        return "" if missing else None

    stage.owed = "C.13", heals
    gone: list[Json] = []
    empty = {"puts": [], "reset": False, "cursor": None, "digest": None}
    return 200, stage.reply(gone, said, **empty) | {"receipts": [_forgotten(a) for a in said.acts]}


def _forgotten(act: Json) -> Json:
    told = {"n": act["n"], "id": act.get("id"), "outcome": "held", "duplicate": False}
    return {**told, "code": "gap", "detail": None, "stop": None, "findings": [], "entry": None}


def _has_all(numbers: list[int]) -> Callable[[Said], str | None]:
    """The next call with acts holds all of these; ``""`` while there is none."""

    def judged(said: Said) -> str | None:
        if not said.acts:
            return ""
        lacking = set(numbers) - {act["n"] for act in said.acts}
        return f"without {sorted(lacking)}" if lacking else None

    return judged


SCENES: tuple[Callable[[Stage, Said], Reply], ...] = (
    _first, _lost_reply, _busy, _expired, _gap, _more, _wrong_digest, _restored,
)  # fmt: skip
