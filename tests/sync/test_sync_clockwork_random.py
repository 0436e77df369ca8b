"""Random phones: no clocks, however wrong, make us say what is not so."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from sync.clocks import BOOTS, MARKS, Clocks, Exchange, read, write
from sync.clockwork import UNHEARD, Echo, Estimate
from sync.moves import moves
from sync.shown import DeviceTime

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MOMENTS = st.timedeltas(timedelta(days=-10_000), timedelta(days=10_000)).map(lambda d: NOW + d)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
A_CALL, A_CHUNK = 5, 2  # acts; real ones bring more, for the same to happen

CLOCKS = st.builds(
    DeviceTime,
    wall=st.none() | MOMENTS,
    monotonic_ms=st.none() | st.floats(-1e15, 1e15) | st.floats(-1e9, 1e9),
    boot=st.sampled_from([None, "a", "b", "c"]),
    gps=st.none() | MOMENTS,
)
CALLS = st.lists(
    st.tuples(
        st.timedeltas(timedelta(), timedelta(days=3)),
        CLOCKS,
        st.lists(CLOCKS, max_size=4),
        st.booleans(),
    ),
    max_size=6,
)


@given(CALLS)
def test_no_clocks_date_anything_after_its_receipt_or_before_its_elder(
    calls: list[tuple[timedelta, DeviceTime, list[DeviceTime], bool]],
) -> None:
    """Whatever the clocks say: never later than heard, never back along n within a boot."""
    known, n, now, last = Clocks(), 0, NOW, dict[str | None, datetime]()
    for after, sent, events, more in calls:
        now += after
        told = list(enumerate(events, n + 1))
        last_n = None if more else n + len(events)
        exchange = Exchange(now, sent, last_n, moves=moves(sent, told, more=more))
        for event in events:
            n += 1
            made, known = known.date(event, n, exchange)
            assert made.happened <= now
            if event.boot is not None:
                assert made.happened >= last.get(event.boot, made.happened)
                last[event.boot] = made.happened
        known = known.after(exchange)
        assert read(write(known)) == known
        assert len(known.boots) <= BOOTS
        assert len(known.marks) <= MARKS


@dataclass
class Run:
    """What became of one boot: whether it slept, was heard, and had told all it had."""

    slept: bool = False
    heard: bool = False
    told_all: bool = False


@dataclass
class Act:
    """One event as the phone saw it, and as it was."""

    n: int
    shown: DeviceTime
    truth: datetime
    run: Run
    fenced: bool
    in_doubt: bool = False

    def is_certain(self, told_in: str | None) -> bool:
        """Whether its bound must hold, by what the phone showed.

        A boot that slept must have been heard before the act and tell it itself. One that was never
        heard is dated by the wall clock, which binds unless it was set where no two events show it.
        """
        if self.run.heard:
            return not self.run.slept or (self.fenced and told_in == self.shown.boot)
        return not self.in_doubt


@dataclass
class Phone:
    """An honest phone: a monotonic clock that drifts and sleeps, a wall clock that anybody sets."""

    drift: float
    now: datetime = NOW
    boot: int = 0
    begun: datetime = NOW - HOUR
    ahead: timedelta = timedelta()
    run: Run = field(default_factory=Run)
    queue: list[Act] = field(default_factory=list)
    n: int = 0
    unseen: bool = False
    moved: set[str] = field(default_factory=set)
    echo: Echo | None = None

    def shows(self) -> DeviceTime:
        """What its clocks show now."""
        running = (self.now - self.begun).total_seconds() * 1000 * (1 + self.drift)
        return DeviceTime(self.now + self.ahead, running, f"boot-{self.boot}")

    def act(self) -> None:
        """Do something worth telling; what moved since the act before it shows."""
        self._look()
        self.n += 1
        fenced = self.run.told_all
        self.queue.append(Act(self.n, self.shows(), self.now, self.run, fenced))

    def jump(self, to: timedelta) -> None:
        """Have the wall clock set."""
        self.ahead = to
        self.moved.add("set" if self._is_shown() else "unseen")

    def sleep(self, time: timedelta) -> None:
        """Stand still for a while, if only for the monotonic clock."""
        self.now += time
        self.begun += time
        self.run.slept = True
        self.moved.add("slept")

    def reboot(self) -> None:
        """Start over."""
        if self.moved & {"set", "unseen"}:
            self._doubt()
        self.moved.clear()
        self.boot, self.begun, self.run, self.echo = self.boot + 1, self.now, Run(), None

    def look(self) -> DeviceTime:
        """Show the clocks in a call."""
        self._look()
        return self.shows()

    def _look(self) -> None:
        """Both at once cancel out in what two moments show, as does what only one shows."""
        if "unseen" in self.moved or {"set", "slept"} <= self.moved:
            self._doubt()
        self.moved.clear()

    def _is_shown(self) -> bool:
        return bool(self.queue) and self.queue[-1].run is self.run

    def _doubt(self) -> None:
        for act in self.queue:
            act.in_doubt = True


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["act", "act", "act", "act", "sync", "sync", "ask", "jump", "sleep", "reboot"]
        ),
        st.timedeltas(timedelta(), timedelta(hours=6)),
        st.timedeltas(timedelta(), 10 * MINUTE),
        st.timedeltas(timedelta(), 10 * MINUTE),
    ),
    max_size=30,
)


class Server:
    """What is kept of the phone's clocks, and every estimate that was made."""

    def __init__(self, phone: Phone) -> None:
        self.phone, self.known = phone, Clocks()

    def call(self, acts: list[Act], out: timedelta, back: timedelta) -> None:
        """Hear one call and date what it brings, chunk by chunk; answer it."""
        phone, sent = self.phone, self.phone.look()
        more = len(phone.queue) > len(acts)
        road = out if phone.echo else min(out, UNHEARD)
        last_n = acts[-1].n if acts else phone.n
        told = [(act.n, act.shown) for act in acts]
        exchange = Exchange(
            phone.now + road,
            sent,
            None if more else last_n,
            phone.echo,
            moves(sent, told, more=more),
        )
        phone.run.heard = True
        for start in range(0, max(len(acts), 1), A_CHUNK):
            for act in acts[start : start + A_CHUNK]:
                self._date(act, exchange)
            self.known = read(write(self.known.after(exchange)))
        del phone.queue[: len(acts)]
        phone.run.told_all = phone.run.told_all or not more
        came = phone.now + road
        phone.now = came + back
        showed = phone.shows().monotonic_ms
        assert showed is not None
        phone.echo = Echo(came, showed)

    def _date(self, act: Act, exchange: Exchange) -> None:
        made, self.known = self.known.date(act.shown, act.n, exchange)
        if act.run.heard:
            assert made.bounded
        if act.is_certain(exchange.sent.boot) and made.uncertainty_ms is not None:
            assert is_within(made, act.truth), (act, made, exchange)


def is_within(made: Estimate, truth: datetime) -> bool:
    """Whether the bound holds."""
    assert made.uncertainty_ms is not None
    return abs(made.happened - truth) <= timedelta(milliseconds=made.uncertainty_ms)


@given(st.floats(-49.99e-6, 50e-6), STEPS)  # 50 ppm of what the phone counted
def test_the_truth_lies_within_the_bound(
    drift: float, steps: list[tuple[str, timedelta, timedelta, timedelta]]
) -> None:
    """For honest clocks that drift by no more than they may, however long the road there and back.

    Phones may ask while they have something to tell, and need several calls to tell it. A call in a
    boot that has heard nothing of us yet may take half a minute, and no longer: then a phone has
    given it up.
    """
    phone = Phone(drift)
    server = Server(phone)
    for what, wait, out, back in [*steps, ("sync", MINUTE, MINUTE, MINUTE)]:
        phone.now += wait
        match what:
            case "act":
                phone.act()
            case "jump":
                phone.jump(wait * 1000 - timedelta(days=100))
            case "sleep":
                phone.sleep(out)
            case "reboot":
                phone.reboot()
            case "ask":
                server.call([], out, back)
            case _:
                while phone.queue:
                    server.call(phone.queue[:A_CALL], out, back)
