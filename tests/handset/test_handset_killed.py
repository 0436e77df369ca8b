"""The app is killed between any two steps that outlast it, and opened again."""

from itertools import count
from pathlib import Path

import pytest

from handset import Handset, Photo

STOP = "00000000-0000-4000-8000-000000000001"


class Killed(BaseException):
    """What stands for a kill: nobody catches it."""


class Countdown:
    """A pulse that ends the app at its n-th step, and every step after it."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def __call__(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed


async def _deliver_and_die(folder: Path, steps: int) -> bool:
    """Whether the verb returned before the app was killed."""
    phone = Handset(folder, "http://nowhere.invalid", pulse=Countdown(steps), signed=False)
    try:
        phone.fail(STOP, "not_home", photos=[Photo(b"a closed door")])
        return True
    except Killed:
        return False
    finally:
        await phone.close()


@pytest.mark.anyio
async def test_a_kill_between_any_two_steps_leaves_an_act_whole_or_not_there(
    tmp_path: Path,
) -> None:
    """Act, number, photo and its naming are there together or not at all."""
    seen = set()
    for steps in count():
        folder = tmp_path / str(steps)
        returned = await _deliver_and_die(folder, steps)
        async with Handset(folder, "http://nowhere.invalid", signed=False) as phone:
            acts = phone.journal.all()
            assert [act.n for act in acts] == list(range(1, phone.journal.last_n + 1))
            assert len(acts) >= returned
            for act in acts:
                named = act.envelope.decode().partition('"sha256":"')[2][:64]
                assert phone.shelf.path(named).read_bytes() == b"a closed door"
                assert [file.sha256 for file in phone.shelf.waiting()] == [named]
            again = phone.fail(STOP, "not_home", photos=[Photo(b"a closed door")])
            assert again.n == len(acts) + 1
        seen.add((returned, len(acts)))
        if returned:
            break
    assert {(False, 0), (True, 1)} <= seen
