"""The same world as a state machine: Hypothesis chooses what happens, and shortens what fails."""

from collections.abc import Awaitable, Callable
from itertools import count
from typing import ClassVar

from anyio.from_thread import BlockingPortal
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.simulator import driver, mishaps, office, server
from tests.simulator.dice import Dice
from tests.simulator.ground import Ground, nothing_by_chance
from tests.simulator.history import History
from tests.simulator.proof import prove
from tests.simulator.run import begin, settle_in

LUCK = st.integers(0, 999)
_runs = count(1)


class Machine(RuleBasedStateMachine):
    """Push, pull, edits, reassignments and crashes in any order; the rest is proven at the end."""

    portal: ClassVar[BlockingPortal]
    ground: ClassVar[Ground]
    h: History

    @initialize(luck=LUCK)
    def a_depot(self, luck: int) -> None:
        """Lay the ground, and let both drivers load."""

        async def lay() -> History:
            (made,) = await begin(self.ground, [1_000_000 + next(_runs)], [f"machine {luck}"])
            await settle_in(made)
            return made

        self.h = self.portal.call(lay)

    def _happen(self, luck: int, what: Callable[[History], Awaitable[None]]) -> None:
        async def happen() -> None:
            self.h.dice = Dice(luck)
            self.h.pass_time()
            with nothing_by_chance(self.h.ids):
                await what(self.h)

        self.portal.call(happen)

    @rule(luck=LUCK)
    def a_driver_acts(self, luck: int) -> None:
        """Record something."""
        self._happen(luck, driver.act)

    @rule(luck=LUCK)
    def push_and_pull(self, luck: int) -> None:
        """Sync over a sound road."""
        self._happen(luck, driver.sync)

    @rule(luck=LUCK)
    def push_some(self, luck: int) -> None:
        """Send a part, perhaps again, perhaps in another order."""
        self._happen(luck, driver.push_part)

    @rule(luck=LUCK)
    def push_the_end_first(self, luck: int) -> None:
        """Leave a gap."""
        self._happen(luck, driver.push_the_end)

    @rule(luck=LUCK)
    def sync_on_a_bad_road(self, luck: int) -> None:
        """Lose, double, cut or delay."""
        self._happen(luck, driver.sync_on_a_bad_road)

    @rule(luck=LUCK)
    def the_server_crashes(self, luck: int) -> None:
        """Die between two statements of a sync."""
        self._happen(luck, driver.sync_with_a_dying_server)

    @rule(luck=LUCK)
    def the_office_edits(self, luck: int) -> None:
        """Do anything at all in the control room."""
        self._happen(luck, server.edit)

    @rule(luck=LUCK)
    def the_office_reassigns(self, luck: int) -> None:
        """Give a stop to somebody else."""

        async def reassign(h: History) -> None:
            crew = h.dice.pick(h.depots.crews)
            await office.edit(h, await office.reassign(h, crew))

        self._happen(luck, reassign)

    @rule(luck=LUCK)
    def all_at_once(self, luck: int) -> None:
        """Let requests take turns."""
        self._happen(luck, server.overlap)

    @rule(luck=LUCK)
    def a_phone_is_put_back(self, luck: int) -> None:
        """Back a phone up, or restore it."""
        self._happen(luck, mishaps.restore_phone)

    def teardown(self) -> None:
        """Let everything come to rest, and prove it."""
        if not hasattr(self, "h"):
            return

        async def rest() -> None:
            self.h.dice = Dice(0)
            with nothing_by_chance(self.h.ids):
                await prove(self.h)

        try:
            self.portal.call(rest)
        except AssertionError as error:
            error.add_note("\n".join(self.h.log))
            raise
