"""What drivers do, and what happens to their phones and on the road."""

from collections.abc import Sequence

from pod.code import door_code, door_key
from sync.clockwork import UNHEARD
from tests.simulator import said
from tests.simulator.history import History
from tests.simulator.phone import Phone, Said
from tests.simulator.points import Request
from tests.simulator.truth import Sent, Violated

MOST_POINTS = 30
_NUMBERLESS = 2
# How often, of ten times, an event names a file.
_FILES = {"stop.delivered": 4, "evidence.added": 4, "stop.arrived": 2, "stop.noted": 2}


async def act(h: History) -> None:
    """A driver does a thing or three; each is in the journal before anything else happens."""
    phone = h.dice.pick(h.live)
    for _ in range(h.dice.number(1, 3)):
        h.pass_time(60)
        made = record(h, phone)
        _told_of(h, phone, made)
        while made.kind in _ENDINGS and h.dice.chance(2.5):
            h.pass_time(10)
            made = _mend(h, phone, made)
            _told_of(h, phone, made)


_ENDINGS = ("stop.delivered", "stop.failed", "stop.corrected")


def _told_of(h: History, phone: Phone, made: Said) -> None:
    h.tally[f"said {made.kind}"] += 1
    h.tell(f"{h.name(phone)} records {made.n}: {made.kind} {(made.stop or '')[-4:]}")


def _mend(h: History, phone: Phone, wrong: Said) -> Said:
    """Think better of how a visit ended, at once."""
    stop = wrong.stop or h.every_stop[0]
    body = said.body_of("stop.corrected", h.dice, h.ids, wrong.id, code_of(h, stop))
    base = phone.version("stop", stop)
    return phone.record(h.now, h.fresh_id(), "stop.corrected", body, stop_id=stop, base=base)


def record(h: History, phone: Phone) -> Said:
    """Record an act of any kind."""
    if h.dice.chance(1.2):
        return _about_route(h, phone)
    known = phone.stops if phone.stops and not h.dice.chance(0.7) else h.every_stop
    stop = h.dice.pick(known)
    kind = h.dice.weighted(said.STOP_KINDS)
    earlier = [one.id for one in phone.journal if one.stop == stop]
    frame: dict[str, object] = {"stop_id": stop}
    if (base := phone.version("stop", stop)) is not None:
        frame["base"] = base
        frame["policy_version"] = phone.base["stop", stop][1]["policy_version"]
    if h.dice.chance(3):
        frame["fix"] = {"lat": 39.2930, "lon": -76.5866, "accuracy_m": 8, "mock": False}
    if h.dice.chance(_FILES.get(kind, 1)):
        frame["evidence"] = [said.named(*h.a_file())]
    if h.dice.chance(0.5):
        kind_, frame["kind_version"] = said.NEW_KIND
        return phone.record(h.now, h.fresh_id(), kind_, {"text": "of tomorrow"}, **frame)
    body = said.body_of(kind, h.dice, h.ids, earlier[-1] if earlier else None, code_of(h, stop))
    return phone.record(h.now, h.fresh_id(), kind, body, **frame)


def _about_route(h: History, phone: Phone) -> Said:
    routes = [id_ for type_, id_ in phone.base if type_ == "route"] or [str(h.ids.new())]
    route, kind = h.dice.pick(sorted(routes)), h.dice.weighted(said.ROUTE_KINDS)
    body: dict[str, object] = {}
    if kind == "route.resequenced":
        body = {"stop_ids": h.dice.some(phone.stops)}
    frame = {"route_id": route, "base": phone.version("route", route)}
    return phone.record(h.now, h.fresh_id(), kind, body, **frame)


def code_of(h: History, stop: str) -> str:
    """The code that the customer of a stop would say."""
    from uuid import UUID

    id_ = UUID(stop)
    return door_code(door_key(h.ground.keys.master, id_, h.issues.get(id_, 1)))


# --- the road ----------------------------------------------------------------------------------


async def sync(h: History) -> None:
    """A phone pushes what waits, and pulls."""
    phone = h.dice.pick(h.live)
    reply = await h.sync(phone)
    h.tell(f"{h.name(phone)} syncs{_told(phone, reply)}")


async def sync_on_a_bad_road(h: History) -> None:
    """Something happens to the request or to the reply on the road."""
    phone = h.dice.pick(h.live)
    fault = h.dice.weighted(_ROAD)
    h.tally[f"road: {fault}"] += 1
    h.tell(f"{h.name(phone)} syncs, and the road: {fault}")
    sent = h.write(phone, phone.pending)
    match fault:
        case "request lost":
            pass
        case "reply lost":
            await h.deliver(sent)
        case "request twice":
            await _twice(h, sent)
        case "old request again":
            await _again(h, phone)
            h.hear(sent, await h.deliver(sent))
        case "request cut":
            answer = await h.deliver(sent, breaks_off=True)
            if answer is not None and answer.status == 200:
                raise Violated("half an envelope was taken for a whole one")
        case "reply cut":
            answer = await h.deliver(sent)
            h.hear(sent, answer, takes=False)
        case _:
            h.hear(sent, await h.deliver(sent, _failing(h)))


_ROAD = {
    "request lost": 2,
    "reply lost": 4,
    "request twice": 3,
    "old request again": 3,
    "request cut": 1,
    "reply cut": 1,
    "database fails": 4,
}


async def _twice(h: History, sent: Sent) -> None:
    first, second = await h.deliver(sent), await h.deliver(sent)
    keeps_first = h.dice.chance(5)
    h.hear(sent, first, takes=keeps_first)
    if not keeps_first:
        h.hear(sent, second)


async def _again(h: History, phone: Phone) -> None:
    """An older request of this phone comes out of some buffer; nobody waits for its reply."""
    old = [sent for sent in h.sent if sent.phone is phone and _may_still_come(h, sent)]
    if old:
        answer = await h.deliver(h.dice.pick(old))
        if answer is not None and answer.status not in (200, 503):
            raise Violated(f"an old request was answered {answer.status}")


def _may_still_come(h: History, sent: Sent) -> bool:
    """Whether a road may bring a call now: the clockwork presumes half a minute (decision 0011).

    It does so of a call that does not say what it heard last; one that was answered brings nothing
    that is still to be dated.
    """
    return sent.answered or b'"heard"' in sent.body or h.now - sent.at <= UNHEARD


def _failing(h: History) -> Request:
    """The database fails once, or until the server gives up."""
    fails = h.dice.pick((1, 1, 2, 99))
    return Request(fail_at=h.dice.number(1, MOST_POINTS), fails=fails)


def dying(h: History) -> Request:
    """The server dies at some point of the request, or once its reply is on the road."""
    if h.dice.chance(2):
        return Request(dies_after=True)
    return Request(kill_at=h.dice.number(1, MOST_POINTS))


async def sync_with_a_dying_server(h: History) -> None:
    """The server dies between two statements, or after the commit, or after its reply."""
    phone = h.dice.pick(h.live)
    if not phone.pending:
        await act(h)
    h.tell(f"{h.name(phone)} syncs")
    request = dying(h)
    sent = h.write(phone, phone.pending)
    h.hear(sent, await h.deliver(sent, request))


async def push_part(h: History) -> None:
    """A phone sends some of what it has, in an order of its own, also what it sent before."""
    phone = h.dice.pick(h.live)
    some = h.dice.some(phone.journal) if h.dice.chance(4) else phone.pending[: h.dice.number(1, 3)]
    beside = said.unnumbered(h.dice, h.fresh_id()) if h.dice.chance(_NUMBERLESS) else b""
    sent = h.write(phone, some, pull=h.dice.chance(5), beside=beside)
    reply = h.hear(sent, await h.deliver(sent))
    h.tell(f"{h.name(phone)} pushes {[one.n for one in some]}{_told(phone, reply)}")


async def push_the_end(h: History) -> None:
    """A phone sends the end of its queue first; the beginning must come before it is applied."""
    phone = h.dice.pick(h.live)
    while len(phone.pending) < 2:
        record(h, phone)
    late = phone.pending[h.dice.number(1, len(phone.pending) - 1) :]
    sent = h.write(phone, late, pull=False)
    reply = h.hear(sent, await h.deliver(sent))
    h.tell(f"{h.name(phone)} pushes {[one.n for one in late]} first{_told(phone, reply)}")


async def lose_some(h: History) -> None:
    """A phone's storage loses something that nobody heard of yet; the phone owns up to it."""
    phone = h.dice.pick(h.live)
    if not phone.pending:
        return
    lost = h.dice.pick(phone.pending)
    phone.journal.remove(lost)
    h.tally["lost by a phone"] += 1
    h.tell(f"{h.name(phone)} loses {lost.n}")


async def poison(h: History) -> None:
    """Broken mutations lie between good ones; the good ones must get through."""
    phone = h.dice.pick(h.live)
    for _ in range(h.dice.number(1, 3)):
        phone.last_n += 1
        id_, stop = h.fresh_id(), h.dice.pick(h.every_stop)
        raw = said.poison(h.dice, phone.last_n, id_, stop)
        made = Said(phone.last_n, id_, "poison", raw, None, h.now, phone.clocks.boot)
        phone.keep(made)
        h.tally["poison"] += 1
    record(h, phone)
    reply = await h.sync(phone)
    h.tell(f"{h.name(phone)} syncs with poison{_told(phone, reply)}")


def _told(phone: Phone, reply: object) -> str:
    if not isinstance(reply, dict):
        return ": no reply"
    receipts = [
        f"{receipt['n']} {receipt['outcome']}{' ' + receipt['code'] if receipt['code'] else ''}"
        for receipt in reply["receipts"]
    ]
    pulled = f"+{len(reply['puts'])} -{len(reply['removes'])}"
    return f": [{', '.join(receipts)}] {pulled}, {len(phone.pending)} wait"


def numbers(batch: Sequence[Said | None]) -> list[int | None]:
    """The numbers in a batch."""
    return [one.n if one else None for one in batch]
