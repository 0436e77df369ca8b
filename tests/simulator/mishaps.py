"""What happens to phones: clocks, boots, backups, losses, and new ones."""

import json

from tests.simulator.history import History
from tests.simulator.line import call
from tests.simulator.phone import Phone
from tests.simulator.points import Request
from tests.simulator.truth import Violated


async def clock_jump(h: History) -> None:
    """Somebody sets a phone's clock."""
    phone = h.dice.pick(h.live)
    h.jump(phone)
    h.tell(f"the clock of {h.name(phone)} jumps; it is wrong by {phone.clocks.wrong_by}")


async def reboot(h: History) -> None:
    """A phone is switched off and on."""
    phone = h.dice.pick(h.live)
    phone.reboot(h.now, h.new_boot())
    h.tell(f"{h.name(phone)} boots anew")


async def back_up_phone(h: History) -> None:
    """The operating system makes a backup of a phone."""
    phone = h.dice.pick(h.live)
    h.backups.append(phone.copy())
    h.tell(f"a backup of {h.name(phone)} is made, at {phone.last_n}")


async def restore_phone(h: History) -> None:
    """A phone is put back to its backup, and the driver goes on."""
    if not h.backups:
        await back_up_phone(h)
        return
    backup = h.dice.pick(h.backups)
    phone = next((one for one in h.live if one.device == backup.device), None)
    if phone is None:
        return
    h.tally["phone restored"] += 1
    h.tell(f"{h.name(phone)} is restored from its backup: from {phone.last_n} to {backup.last_n}")
    old = backup.copy()
    phone.last_n, phone.journal, phone.base = old.last_n, old.journal, old.base
    phone.cursor, phone.epoch = old.cursor, old.epoch
    phone.reboot(h.now, h.new_boot())


async def reinstall(h: History) -> None:
    """The app is installed anew: with an empty journal, or with what it could save."""
    phone = h.dice.pick(h.live)
    await enrol_anew(h, phone, saves=h.dice.chance(5))


async def enrol_anew(h: History, phone: Phone, *, saves: bool) -> None:
    """Make the phone another device."""
    device = await enrol(h, phone.driver)
    if device is None:
        return
    h.tally["reinstalled"] += 1
    h.tell(f"{h.name(phone)} is installed anew as {device[-4:]}, saving its journal: {saves}")
    if saves:
        phone.begin_anew(device)
    else:
        phone.forget_everything(device)
    h.devices.append((device, phone.driver))


async def second_device(h: History) -> None:
    """A driver takes another phone with him."""
    driver = str(h.dice.pick(h.depots.crews).driver)
    device = await enrol(h, driver)
    if device is not None:
        h.tally["second device"] += 1
        h.tell(f"{h.name(h.switch_on(device, driver))} is enrolled")


async def enrol(h: History, driver: str) -> str | None:
    """Enrol a device by a code from the office."""
    path = f"/console/v1/drivers/{driver}/enrolment-codes"
    issued = await h.office("POST", path, b"", Request())
    if issued is None or issued.status != 201:
        return None
    device = {"platform": "ios", "model": "2", "app_version": "2"}
    body = json.dumps({"code": issued.json["code"], "device": device}).encode()
    answer = await h.serve(Request(), lambda: call(h.app(), "POST", "/driver/v1/devices", "", body))
    assert answer is not None
    if answer.status != 201:
        raise Violated(f"enrolment was answered {answer.status}")
    return str(answer.json["device_id"])
