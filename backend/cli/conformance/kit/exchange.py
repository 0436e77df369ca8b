"""Section 2, the envelope: what can fail a request, and what cannot."""

from backend.cli.conformance.kit.conventions import expect_problem
from backend.cli.conformance.kit.lab import Lab, check
from backend.cli.conformance.kit.verdict import expect, expect_equal

MEMBERS = (
    "server_time", "epoch", "acked_n", "need_from", "receipts", "cursor", "reset", "more", "puts",
    "removes", "digest", "upgrade", "evidence_wanted",
)  # fmt: skip


@check("2.0.1", "an empty envelope asks for a snapshot; the reply has all its members")
def empty(lab: Lab) -> None:
    """Everything has a default."""
    reply = lab.phone.post(b"{}")
    expect_equal(reply.status, 200, "status")
    missing = [name for name in MEMBERS if name not in reply.json]
    expect_equal(missing, [], "members that are missing")
    expect_equal(reply.json["reset"], True, "reset")
    expect(reply.json["puts"], "puts", reply)


@check(
    "2.0.2", "only a wrong type of mutations, cursor or pull fails a request; nothing is recorded"
)
def wrong_types(lab: Lab) -> None:
    """Each with an act beside it that must not count."""
    stop = lab.phone.fresh_stop()["id"]
    for name, value in (("mutations", {}), ("cursor", 7), ("pull", "no")):
        act = lab.phone.note(stop)
        lab.phone.n -= 1
        answer = lab.phone.post({"mutations": [act], name: value})
        expect_problem(answer, 400, "envelope_invalid")
        expect_equal(lab.phone.sync(pull=False)["acked_n"], lab.phone.n, "acked_n")


@check("2.0.3", "client never fails a request")
def client(lab: Lab) -> None:
    """Whatever it is."""
    odd: dict[str, object] = {"pending": "many", "wall": [], "battery": {"of": 1}}
    values: tuple[object, ...] = (7, None, "x", [], odd)
    for value in values:
        answer = lab.phone.post({"pull": False, "client": value})
        expect_equal(answer.status, 200, f"status for client {value!r}")


@check("2.0.4", "more than 200 mutations or 256 KiB: 413 batch_too_large, nothing recorded")
def too_many(lab: Lab) -> None:
    """201 small ones; and a few large ones."""
    stop, before = lab.phone.fresh_stop()["id"], lab.phone.n
    many = [lab.phone.note(stop) for _ in range(201)]
    expect_problem(lab.phone.post({"mutations": many}), 413, "batch_too_large")
    large = [{**act, "ballast": "x" * 60_000} for act in many[:5]]
    expect_problem(lab.phone.post({"mutations": large}), 413, "batch_too_large")
    lab.phone.n = before
    expect_equal(lab.phone.sync(pull=False)["acked_n"], before, "acked_n")


@check("2.0.5", "a cursor that is not the server's is answered by a snapshot with reset")
def foreign_cursor(lab: Lab) -> None:
    """Text of any kind."""
    for cursor in ("x", "", "e30", "ü" * 300):
        expect_equal(
            lab.phone.sync(cursor=cursor)["reset"], True, f"reset for cursor {cursor[:8]!r}"
        )


@check("2.0.6", "pull: false only pushes: cursor and digest null, lists empty")
def only_push(lab: Lab) -> None:
    """Nothing comes down."""
    reply = lab.phone.sync(pull=False)
    told = {name: reply[name] for name in ("cursor", "digest", "puts", "removes")}
    expect_equal(told, {"cursor": None, "digest": None, "puts": [], "removes": []}, "the reply")
