"""At the end of a history faults stop, queues drain, and the rows must show every invariant."""

from hashlib import sha256

from backend.domain.people import SYSTEM
from backend.domain.stop import ProofState
from pod.service import settle
from tests.simulator import mishaps, server
from tests.simulator.checks import CHECKS, Rows, devices, entities, scopes, stops
from tests.simulator.history import History
from tests.simulator.phone import Phone
from tests.simulator.points import Request
from tests.simulator.truth import Violated

MOST_ROUNDS = 12
IDLE_STATEMENTS = 2


async def prove(h: History) -> None:
    """Let everything come to rest, then hold it against the invariants."""
    await server.upgrade(h)
    await drain(h)
    if h.tally["server restored"]:
        await notice_new_life(h)
        await drain(h)
    await agree(h)
    await idle(h)
    counted = await count(h)
    await say_everything_again(h)
    if (after := await count(h)) != counted:
        raise Violated(f"I2: saying everything again changed {counted} to {after}")
    rows = await Rows.read(h)
    for check in CHECKS:
        check(h, rows)
    await snapshots_agree(h)
    await intact(h)
    await weighed(h)


async def drain(h: History) -> None:
    """L1: without faults, every queue empties within a few rounds."""
    for phone in h.live:
        rounds = 0
        while phone.pending or phone.forked:
            rounds += 1
            if rounds > MOST_ROUNDS:
                waits = [said.n for said in phone.pending]
                raise Violated(f"L1: {h.name(phone)} still has {waits} after {rounds} rounds")
            if phone.forked:
                await mishaps.enrol_anew(h, phone, saves=True)
            await h.sync(phone)
            if phone.wiped:
                break


async def notice_new_life(h: History) -> None:
    """I17: a phone that sees a new epoch will say everything again."""
    for phone in h.spoke:
        await h.sync(phone)


async def agree(h: History) -> None:
    """I7: after at most two more rounds all phones of a driver hold the same."""
    await server.judge(h)
    for phone in h.spoke:
        for _ in range(2):
            if phone.forked:
                await mishaps.enrol_anew(h, phone, saves=True)
            reply = await h.sync(phone)
            if phone.wiped or (reply and not reply["more"] and phone.cursor == reply["cursor"]):
                break
        else:
            raise Violated(f"I7: {h.name(phone)} does not come to rest")
    held: dict[str, Phone] = {}
    for phone in h.spoke:
        if phone.device in h.truth.revoked:
            continue
        first = held.setdefault(phone.driver, phone)
        if first.base != phone.base:
            raise Violated(f"I7: {h.name(first)} and {h.name(phone)} hold different things")


async def idle(h: History) -> None:
    """I22: whoever has all costs few statements, and nothing is written."""
    phones = [phone for phone in h.spoke if phone.device not in h.truth.revoked]
    if phones:
        phone, request = h.dice.pick(phones), Request()
        await h.sync(phone, request)
        if request.writes or request.statements > IDLE_STATEMENTS:
            told = f"{request.statements} statements, {request.writes} of them write"
            raise Violated(f"I22: {h.name(phone)} had everything, and cost {told}")


async def count(h: History) -> dict[str, int]:
    """Count what a repetition must not change."""
    row = await h.ground.observer.fetchrow(
        "SELECT (SELECT count(*) FROM audit_entry WHERE entity_id = ANY($1)) AS entries, "
        "(SELECT count(*) FROM stop_event WHERE stop_id = ANY($2)) AS events, "
        "(SELECT count(*) FROM mutation WHERE device_id = ANY($3)) AS mutations, "
        "(SELECT count(*) FROM inbox_item WHERE depot_id = ANY($4)) AS asked, "
        "(SELECT coalesce(sum(v), 0) FROM scope WHERE id = ANY($5)) AS versions",
        entities(h),
        stops(h),
        devices(h),
        [crew.depot for crew in h.depots.everybody],
        scopes(h),
    )
    assert row is not None
    return dict(row)


async def say_everything_again(h: History) -> None:
    """I2: a phone repeats all that it ever sent."""
    speakers = [phone for phone in h.live if phone.journal]
    if speakers:
        phone = h.dice.pick(speakers)
        h.tell(f"{h.name(phone)} says everything again")
        sent = h.write(phone, sorted(phone.journal, key=lambda said: said.n), pull=False)
        h.hear(sent, await h.deliver(sent))


async def snapshots_agree(h: History) -> None:
    """I6: what deltas brought is what a snapshot brings."""
    trusted = [phone for phone in h.spoke if phone.device not in h.truth.revoked]
    if not trusted:
        return
    phone = h.dice.pick(trusted)
    fresh = Phone(phone.device, phone.driver, phone.clocks, phone.last_n, epoch=phone.epoch)
    await h.sync(fresh)
    if fresh.base != phone.base:
        raise Violated(f"I6: {h.name(phone)} holds other than a snapshot: {_diff(phone, fresh)}")


def _diff(one: Phone, other: Phone) -> str:
    keys = {*one.base, *other.base}
    told = [
        f"{type_} {id_[-4:]}"
        for type_, id_ in sorted(keys)
        if one.base.get((type_, id_)) != other.base.get((type_, id_))
    ]
    return ", ".join(told)


async def intact(h: History) -> None:
    """I13, I14: what was verified is there, byte for byte."""
    if not h.uploaded:
        return
    rows = await h.ground.observer.fetch(
        "SELECT driver_id, sha256 FROM evidence WHERE driver_id = ANY($1)",
        [crew.driver for crew in h.depots.everybody],
    )
    entered = {(str(row["driver_id"]), row["sha256"]) for row in rows}
    if missing := h.uploaded - entered:
        raise Violated(f"I13: {sorted(missing)} was uploaded and is not there")
    blobs = h.ground.apps[0].state["ground"].blobs
    for _, hashed in sorted(entered):
        content = b"".join([piece async for piece in blobs.read(hashed)])
        if sha256(content).hexdigest() != hashed or content != h.files[hashed]:
            raise Violated(f"I13: the bytes of {hashed[:6]} are others")


async def weighed(h: History) -> None:
    """L1: no proof still waits for what has come."""
    for stop in stops(h):
        async with h.ground.db.begin() as tx:
            verdict = await settle(tx, SYSTEM, stop)
            if verdict is not None and verdict.state is ProofState.ACCEPTED:
                raise Violated(f"L1: the proof of stop {stop.hex[-4:]} waits for nothing")
