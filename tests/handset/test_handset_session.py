"""Enrolment and tokens against the real server: a lost reply costs nothing but another call."""

import pytest

from handset import NotEnrolled, Refused, SignInLost, Unreachable
from tests.handset.conftest import Bench

pytestmark = pytest.mark.anyio

NOBODYS = "0192f0c1-7d2a-7c3e-9b1a-3f5e6d7c8b9a"


async def test_a_code_makes_a_device(bench: Bench) -> None:
    """After enrolment the phone may call."""
    phone = await bench.enrolled()
    assert phone.session.device_id is not None
    assert phone.session.epoch is not None
    assert await phone.lanes.have([NOBODYS]) == set()


async def test_a_wrong_code_is_refused_with_its_name(bench: Bench) -> None:
    """The contract's code for it reaches the driver."""
    with pytest.raises(Refused, match="enrolment_code_invalid"):
        await bench.phone().enrol("WRONG-CODE")


async def test_a_phone_that_is_nobodys_cannot_call(bench: Bench) -> None:
    """Without enrolment there is nothing to ask."""
    with pytest.raises(NotEnrolled):
        await bench.phone().lanes.have(["x"])


async def test_an_expired_token_is_renewed_in_passing(bench: Bench) -> None:
    """The call that met the expiry is repeated with the new token."""
    phone = await bench.enrolled()
    before = phone.session.access
    bench.clock.advance(minutes=16)
    await phone.lanes.have([NOBODYS])
    assert phone.session.access != before
    assert bench.line.paths()[-3:] == [
        "GET /driver/v1/have",
        "POST /driver/v1/tokens",
        "GET /driver/v1/have",
    ]


async def test_a_lost_refresh_reply_is_asked_for_again(bench: Bench) -> None:
    """The nonce was on the disk first, so a phone switched off meanwhile gets the same answer."""
    phone = await bench.enrolled()
    bench.clock.advance(minutes=16)
    bench.line.losses.extend([None, "reply"])
    with pytest.raises(Unreachable):
        await phone.lanes.have([NOBODYS])
    await phone.close()
    again = bench.phone()
    await again.lanes.have([NOBODYS])
    first, second = (r for r in bench.line.requests if r.url.path == "/driver/v1/tokens")
    assert first.content == second.content


async def test_each_refresh_has_its_own_nonce(bench: Bench) -> None:
    """A nonce is used again only until its reply has arrived."""
    phone = await bench.enrolled()
    for _ in range(2):
        bench.clock.advance(minutes=16)
        await phone.lanes.have([NOBODYS])
    first, second = (r for r in bench.line.requests if r.url.path == "/driver/v1/tokens")
    assert first.content != second.content


async def test_a_lost_reply_found_too_late_ends_the_sign_in(bench: Bench) -> None:
    """After ten minutes the same nonce is a reuse; the phone says that it must enrol again."""
    phone = await bench.enrolled()
    bench.clock.advance(minutes=16)
    bench.line.losses.extend([None, "reply"])
    with pytest.raises(Unreachable):
        await phone.lanes.have([NOBODYS])
    bench.clock.advance(minutes=11)
    with pytest.raises(SignInLost, match="refresh_reused"):
        await phone.lanes.have([NOBODYS])


async def test_a_new_enrolment_keeps_the_journal(bench: Bench) -> None:
    """The acts of the old device are renumbered for the new one, with their ids."""
    phone = await bench.enrolled()
    acts = [phone.note(NOBODYS, text) for text in ("a", "b")]
    old = phone.session.device_id
    await phone.enrol(await bench.code())
    assert phone.session.device_id != old
    assert [(act.n, act.id) for act in phone.journal.all()] == [(act.n, act.id) for act in acts]
