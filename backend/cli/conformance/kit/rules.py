"""Section 2.2: the rules of receipts, numbers and pulls."""

import json
from uuid import UUID, uuid4

from backend.cli.conformance.kit.lab import Lab, as_bytes, check
from backend.cli.conformance.kit.phone import Copy
from backend.cli.conformance.kit.verdict import NotTried, expect, expect_equal
from backend.cli.conformance.kit.wire import Json


def outcomes(receipts: list[Json]) -> list[tuple[str, str | None]]:
    """Outcome and code of each."""
    return [(receipt["outcome"], receipt["code"]) for receipt in receipts]


@check("2.2.1", "one receipt per mutation, in order, with its id; what is no object is quarantined")
def receipts(lab: Lab) -> None:
    """Elements of every type among good ones."""
    stop = lab.phone.fresh_stop()["id"]
    first, last = lab.phone.note(stop), lab.phone.note(stop)
    reply = lab.phone.tell_raw(as_bytes(first), b"7", b"[]", b'"x"', b"null", as_bytes(last))
    told = [receipt["outcome"] for receipt in reply["receipts"]]
    expect_equal(told, ["applied", *["quarantined"] * 4, "applied"], "outcomes")
    ids = [receipt["id"] for receipt in reply["receipts"]]
    expect_equal((ids[0], ids[-1]), (first["id"], last["id"]), "ids")
    for place in (0, -1):
        entry = reply["receipts"][place]["entry"]
        expect(isinstance(entry, str) and len(bytes.fromhex(entry)) == 32, "a leaf hash", entry)


@check("2.2.2a", "a repeat returns the stored receipt with duplicate: true")
def repeats(lab: Lab) -> None:
    """In a later request, and twice in one."""
    act = lab.phone.act("stop.arrived", stop_id=lab.phone.fresh_stop()["id"])
    first = lab.phone.tell(act)[0]
    expect_equal(first["duplicate"], False, "duplicate at first")
    for again in lab.phone.tell(act, act):
        expect_equal(again, {**first, "duplicate": True}, "the repeat's receipt")


@check("2.2.2b", "the same n with other content is quarantined, fork; the first stays")
def fork(lab: Lab) -> None:
    """Also when it comes again."""
    stop = lab.phone.fresh_stop()["id"]
    act = lab.phone.note(stop)
    first = lab.phone.tell(act)[0]
    other = {**act, "id": str(uuid4()), "body": {"text": "another"}}
    told = outcomes(lab.phone.tell(other))
    expect_equal(told, [("quarantined", "fork")], "the fork")
    expect_equal(lab.phone.tell(act)[0], {**first, "duplicate": True}, "the first, asked again")


@check("2.2.2c", "same content is equal RFC 8785 bytes; of a key that comes twice the last counts")
def same_content(lab: Lab) -> None:
    """Other white space, order, escapes; a key twice."""
    act = lab.phone.note(lab.phone.fresh_stop()["id"], "größer")
    lab.phone.tell(act)
    turned = json.dumps(dict(reversed(act.items())), indent=3, ensure_ascii=False).encode()
    twice = b'{"kind": "stop.levitated", ' + as_bytes(act)[1:]
    for raw in (turned, twice):
        receipt = lab.phone.tell_raw(raw)["receipts"][0]
        expect_equal((receipt["outcome"], receipt["duplicate"]), ("applied", True), "the repeat")


@check("2.2.2e", "the same id under a new device of the driver is a duplicate")
def reinstalled(lab: Lab) -> None:
    """Numbered anew, as a reinstalled app does."""
    act = lab.phone.note(lab.phone.fresh_stop()["id"])
    lab.phone.tell(act)
    phone = lab.enrolled()
    phone.n += 1
    receipt = phone.tell({**act, "n": phone.n})[0]
    expect_equal((receipt["outcome"], receipt["duplicate"]), ("applied", True), "the receipt")


@check("2.2.3a", "nothing beyond a gap is taken: held gap, need_from, entry null")
def gap(lab: Lab) -> None:
    """One is left out; what stands before it is taken."""
    stop = lab.phone.fresh_stop()["id"]
    one, two, three = (lab.phone.note(stop) for _ in range(3))
    reply = lab.phone.sync(one, three, pull=False)
    expect_equal(outcomes(reply["receipts"]), [("applied", None), ("held", "gap")], "outcomes")
    expect_equal((reply["acked_n"], reply["need_from"]), (one["n"], two["n"]), "acked_n, need_from")
    expect_equal(reply["receipts"][1]["entry"], None, "entry")


@check("2.2.3b", "after a gap, sending again from need_from is all it takes; array order decides")
def healed(lab: Lab) -> None:
    """Out of order first, then in order."""
    stop = lab.phone.fresh_stop()["id"]
    one, two = lab.phone.note(stop), lab.phone.note(stop)
    told = outcomes(lab.phone.tell(two, one))
    expect_equal(told, [("held", "gap"), ("held", "gap")], "outcomes out of order")
    reply = lab.phone.sync(one, two, pull=False)
    expect_equal(outcomes(reply["receipts"]), [("applied", None)] * 2, "outcomes in order")
    expect_equal((reply["acked_n"], reply["need_from"]), (two["n"], None), "acked_n, need_from")


@check("2.2.3c", "device.lost_events closes the range and the next number is taken")
def lost(lab: Lab) -> None:
    """Three numbers are gone."""
    _lose(lab)


def _lose(lab: Lab) -> Json:
    phone, stop = lab.phone, lab.phone.fresh_stop()["id"]
    gone = [phone.note(stop) for _ in range(3)]
    first, to = gone[0]["n"], phone.n
    phone.n = first - 1
    declared = phone.act("device.lost_events", {"from_n": first, "to_n": to})
    phone.n = to
    reply = phone.sync(declared, phone.note(stop), pull=False)
    expect_equal(outcomes(reply["receipts"]), [("applied", None)] * 2, "outcomes")
    expect_equal(reply["acked_n"], phone.n, "acked_n")
    return gone[1]


@check("2.2.3d", "an event of a closed range that turns up later is quarantined, range_closed")
def turned_up(lab: Lab) -> None:
    """It has an id and content of its own."""
    told = outcomes(lab.phone.tell(_lose(lab)))
    expect_equal(told, [("quarantined", "range_closed")], "the receipt")


@check("2.2.4", "any number of bad mutations leaves the good ones applied; acked_n passes both")
def poison(lab: Lab) -> None:
    """Broken text, absurd numbers, absurd depth, wrong types, each between good ones."""
    stop = lab.phone.fresh_stop()["id"].encode()
    inside = (
        b'"body": {"text": "\\ud800"}',
        b'"body": {"text": "a\\u0000b"}',
        b'"body": {"text": 7}',
        b'"body": []',
        b'"x": 1e999',
        b'"x": ' + b"[" * 3000 + b"]" * 3000,
        b'"at": "noon"',
        b'"evidence": [{"sha256": "short"}]',
    )
    sent = []
    for part in inside:
        sent.append(as_bytes(lab.phone.note(stop.decode())))
        lab.phone.n += 1
        head = b'{"id": "%s", "n": %d, "kind": "stop.noted", "stop_id": "%s", ' % (
            str(uuid4()).encode(), lab.phone.n, stop,
        )  # fmt: skip
        sent.append(head + part + b"}")
    sent.append(as_bytes(lab.phone.note(stop.decode())))
    reply = lab.phone.tell_raw(*sent)
    told = [receipt["outcome"] for receipt in reply["receipts"]]
    expect_equal(told[::2], ["applied"] * len(told[::2]), "the good ones")
    expect_equal(set(told[1::2]), {"quarantined"}, "the bad ones")
    expect_equal(reply["acked_n"], lab.phone.n, "acked_n")


@check("2.2.6", "the epoch is the same in every reply while the server lives on")
def epoch(lab: Lab) -> None:
    """At enrolment and at every sync."""
    given = lab.phone.credentials["epoch"]
    UUID(given)
    expect_equal({lab.phone.sync(pull=False)["epoch"] for _ in range(2)}, {given}, "epochs")


@check("2.2.7a", "the digest is that of what the phone then holds")
def digests(lab: Lab) -> None:
    """After a snapshot, after a change, and when nothing changed."""
    copy = Copy()
    reply = _whole(lab, copy)
    expect_equal(reply["digest"], copy.digest, "digest of the snapshot")
    act = lab.phone.act("stop.arrived", stop_id=lab.phone.fresh_stop()["id"])
    reply = copy.take(lab.phone.sync(act, cursor=reply["cursor"]))
    expect_equal(reply["digest"], copy.digest, "digest after a change")
    idle = lab.phone.sync(cursor=reply["cursor"])
    expect_equal((idle["puts"], idle["removes"], idle["reset"]), ([], [], False), "an idle pull")
    expect_equal(idle["digest"], copy.digest, "digest when nothing changed")


def _whole(lab: Lab, copy: Copy) -> Json:
    reply = copy.take(lab.phone.sync())
    while reply["more"]:
        reply = copy.take(lab.phone.sync(cursor=reply["cursor"]))
    return reply


@check("2.2.7b", "deltas lead to what a snapshot would give")
def deltas(lab: Lab) -> None:
    """Several changes, one after the other, against a fresh copy."""
    copy, fresh = Copy(), Copy()
    cursor = _whole(lab, copy)["cursor"]
    for kind in ("stop.departed", "stop.arrived"):
        act = lab.phone.act(kind, stop_id=lab.phone.fresh_stop()["id"])
        cursor = copy.take(lab.phone.sync(act, cursor=cursor))["cursor"]
    _whole(lab, fresh)
    expect_equal(copy.held, fresh.held, "the copy")


@check("2.2.8a", "stops that are unknown or were never this driver's get the same answer, held")
def unknown_stop(lab: Lab) -> None:
    """One that does not exist, and one of another driver."""
    foreign = lab.other.manifest()[0]["id"]
    acts = [lab.phone.note(stop) for stop in (foreign, str(uuid4()))]
    told = lab.phone.tell(*acts)
    expect_equal(outcomes(told), [("held", "unknown_stop")] * 2, "outcomes")
    expect_equal(told[0]["detail"], told[1]["detail"], "detail")
    expect_equal([receipt["stop"] for receipt in told], [None, None], "stop")


@check("2.2.8b", "a stop that leaves the driver's scope appears in removes; the other then has it")
def reassigned(lab: Lab) -> None:
    """The control room gives it to another driver."""
    lab.control("GET", "/me")
    stop = lab.phone.fresh_stop()["id"]
    route = lab.other.manifest()[0]["route_id"]
    copy = Copy()
    cursor = _whole(lab, copy)["cursor"]
    answer = lab.control("POST", f"/stops/{stop}/reassign", {"route_id": route})
    expect(answer.status < 300, "a reassignment", answer)
    reply = copy.take(lab.phone.sync(cursor=cursor))
    expect({"type": "stop", "id": stop} in reply["removes"], f"{stop} in removes", reply["removes"])
    expect_equal(reply["digest"], copy.digest, "digest")
    expect(
        stop in [held["id"] for held in lab.other.manifest()], "the other to have it", "he lacks it"
    )


@check("2.2.9", "codes and other drivers' stops never appear in a manifest")
def secrets(lab: Lab) -> None:
    """Everything that either phone is told, searched."""
    told = json.dumps(lab.phone.sync())
    foreign = [stop["id"] for stop in lab.other.manifest()]
    expect_equal([id_ for id_ in foreign if id_ in told], [], "foreign stops")
    for held in lab.round.doors.values():
        for secret in (held.code, held.qr):
            expect(secret is None or f'"{secret}"' not in told, "no code or token", secret)


@check("2.2.10", "the reply contains the effect of the mutations in the same request")
def read_your_writes(lab: Lab) -> None:
    """An arrival comes back as a put of its stop."""
    stop = lab.phone.fresh_stop()["id"]
    cursor = lab.phone.sync()["cursor"]
    reply = lab.phone.sync(lab.phone.act("stop.arrived", stop_id=stop), cursor=cursor)
    put = [each["data"] for each in reply["puts"] if each["id"] == stop]
    expect(put, f"a put of {stop}", reply["puts"])
    seen = (put[0]["version"], put[0]["state"])
    receipt = reply["receipts"][0]["stop"]
    expect_equal(seen, (receipt["version"], receipt["state"]), "version and state")
    if seen[1] != "arrived":
        raise NotTried("the stop could not be arrived at")
