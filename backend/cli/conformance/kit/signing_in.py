"""Section 1: enrolment and tokens."""

import re
from uuid import UUID, uuid4

from backend.cli.conformance.kit.conventions import expect_problem
from backend.cli.conformance.kit.lab import ENROL, JSON, Lab, as_bytes, check
from backend.cli.conformance.kit.phone import Phone
from backend.cli.conformance.kit.verdict import Deviation, expect, expect_equal
from backend.cli.conformance.kit.wire import Answer, Json

TOKENS = "/driver/v1/tokens"
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def refresh(lab: Lab, credentials: Json, nonce: str) -> Answer:
    """Ask for the next tokens."""
    said = {"refresh_token": credentials["refresh_token"], "nonce": nonce}
    return lab.wire.ask("POST", TOKENS, as_bytes(said), JSON)


@check("1.1", "a fresh code makes a device: 201 with ids, tokens, server_time, epoch")
def enrolment(lab: Lab) -> None:
    """All members, of the right form."""
    given = lab.phone.credentials
    for member in ("device_id", "driver_id", "epoch"):
        UUID(given[member])
    for member in ("access_expires_at", "server_time"):
        expect(MOMENT.fullmatch(given[member]), f"{member} as RFC 3339 with milliseconds", given)
    for member in ("access_token", "refresh_token"):
        expect(isinstance(given[member], str) and given[member], f"a {member}", given)


@check("1.2", "a code counts once; wrong and used ones are 401 enrolment_code_invalid")
def used_code(lab: Lab) -> None:
    """The first phone's code again."""
    lab.phone.sync(pull=False)
    used = lab.enrolments[0][0]
    said = {"code": used, "device": {"platform": "x", "model": "x", "app_version": "1"}}
    answer = lab.wire.ask("POST", ENROL, as_bytes(said), JSON)
    expect_problem(answer, 401, "enrolment_code_invalid")


@check("1.3", "five wrong codes in a minute from one address: 429 with Retry-After")
def many_wrong_codes(lab: Lab) -> None:
    """Tried last, since it shuts out everybody at this address."""
    about = {"platform": "x", "model": "x", "app_version": "1"}
    for _ in range(7):
        said = {"code": f"WRONG-{uuid4().hex[:8]}", "device": about}
        answer = lab.wire.ask("POST", ENROL, as_bytes(said), JSON)
        if answer.status == 429:
            expect("retry-after" in answer.headers, "Retry-After", answer.headers)
            return
        expect_problem(answer, 401, "enrolment_code_invalid")
    raise Deviation("429 after five wrong codes", "seven times 401")


@check("1.5", "refresh tokens rotate, and the new access token counts")
def rotation(lab: Lab) -> None:
    """Both tokens are new; the phone goes on with them."""
    before = lab.phone.credentials
    answer = refresh(lab, before, uuid4().hex)
    expect_equal(answer.status, 200, "status")
    expect(answer.json["refresh_token"] != before["refresh_token"], "a new refresh token", answer)
    lab.phone.credentials = {**before, **answer.json}
    lab.phone.sync(pull=False)


@check("1.6", "the spent token with the same nonce returns the same successor")
def lost_refresh(lab: Lab) -> None:
    """As after a lost reply."""
    nonce = uuid4().hex
    first, again = (refresh(lab, lab.phone.credentials, nonce) for _ in range(2))
    expect_equal(again.status, 200, "status")
    expect_equal(again.json["refresh_token"], first.json["refresh_token"], "the successor")
    lab.phone.credentials = {**lab.phone.credentials, **again.json}


@check("1.7", "the spent token with another nonce ends the family: 401 refresh_reused")
def reuse(lab: Lab) -> None:
    """A phone is sacrificed for this."""
    phone = lab.enrolled()
    first = refresh(lab, phone.credentials, uuid4().hex)
    expect_equal(first.status, 200, "status")
    expect_problem(refresh(lab, phone.credentials, uuid4().hex), 401, "refresh_reused")
    after = refresh(lab, first.json, uuid4().hex)
    expect_equal(after.status, 401, "status of the successor")


@check("1.8", "a revoked device is heard once more, told nothing, and told to wipe after that")
def revoked(lab: Lab) -> None:
    """403 elsewhere; on sync every receipt is quarantined."""
    lab.control("GET", "/me")
    phone: Phone = lab.enrolled()
    device = phone.credentials["device_id"]
    expect(lab.control("POST", f"/devices/{device}/revoke").status < 300, "a revocation", device)
    expect_problem(phone.get("/driver/v1/have?ids="), 403, "device_revoked")
    reply = phone.sync(phone.act("stop.noted", {"text": "x"}, stop_id=str(uuid4())))
    receipt = reply["receipts"][0]
    expect_equal(
        (receipt["outcome"], receipt["code"]), ("quarantined", "device_revoked"), "receipt"
    )
    told = (reply["cursor"], reply["puts"], reply["removes"], reply.get("wipe"))
    expect_equal(told, (None, [], [], "after_flush"), "cursor, puts, removes, wipe")
