"""Numbers: repeats, forks, gaps, closed ranges, ids."""

from uuid import UUID, uuid4

from sync.matrix import Outcome
from sync.mutations import Fault, Heard
from sync.numbering import Memory, Numbering, Standing, Stored
from sync.receipts import Receipt


def heard(n: int | None, content: bytes = b"", id_: UUID | None = None) -> Heard:
    """An element with a number and some content."""
    made = content or str(n).encode()
    return Heard(made, made, n, id_ or uuid4(), None, Fault("x", "x"))


def answer(n: int | None) -> Receipt:
    """Some answer."""
    return Receipt(n=n, id=None, outcome=Outcome.APPLIED)


def test_numbers_follow_one_another() -> None:
    """Each next number is new and moves the mark."""
    numbering = Numbering(0, Memory())
    for n in (1, 2, 3):
        element = heard(n)
        assert numbering.place(element)[0] is Standing.NEW
        numbering.take(element, answer(n))
    assert (numbering.acked_n, numbering.need_from) == (3, None)


def test_after_a_gap_everything_new_is_held() -> None:
    """Even the missing number itself, if it comes later in the same batch."""
    numbering = Numbering(4, Memory())
    assert [numbering.place(heard(n))[0] for n in (6, 5, 7)] == [Standing.GAP] * 3
    assert numbering.need_from == 5


def test_a_repeat_needs_the_same_content() -> None:
    """The same number with other content is a fork, and the fork's own repeat is one."""
    memory = Memory(by_number={1: Stored(b"1", answer(1))})
    numbering = Numbering(1, memory)
    assert numbering.place(heard(1))[0] is Standing.REPEAT
    other = heard(1, b"other")
    assert numbering.place(other)[0] is Standing.FORK
    numbering.take(other, answer(1))
    assert numbering.place(other)[0] is Standing.REPEAT
    assert numbering.acked_n == 1


def test_a_closed_range_takes_nothing_more() -> None:
    """An event of a range that was declared lost has no place any more."""
    numbering = Numbering(0, Memory())
    declared = heard(1)
    numbering.take(declared, answer(1), closes_to=5)
    assert numbering.acked_n == 5
    assert numbering.place(heard(3))[0] is Standing.RANGE_CLOSED
    assert numbering.place(heard(1, b"the lost one"))[0] is Standing.RANGE_CLOSED
    assert numbering.place(heard(6))[0] is Standing.NEW


def test_an_id_of_the_drivers_other_device_is_a_repeat() -> None:
    """A reinstall sends again what the old device sent; nothing happens twice."""
    id_ = uuid4()
    numbering = Numbering(0, Memory(by_id={id_: Stored(b"", answer(9))}))
    standing, stored = numbering.place(heard(1, id_=id_))
    assert standing is Standing.KNOWN_ID
    assert stored is not None


def test_an_id_serves_one_number_of_a_device() -> None:
    """Two numbers of one device cannot share an id, in one batch or across batches."""
    id_ = uuid4()
    numbering = Numbering(0, Memory())
    first = heard(1, id_=id_)
    numbering.take(first, answer(1))
    assert numbering.place(heard(2, id_=id_))[0] is Standing.ID_TAKEN


def test_what_has_no_number_takes_none() -> None:
    """It is kept by its content, and its repeat is known."""
    numbering = Numbering(2, Memory())
    odd = heard(None, b"odd")
    assert numbering.place(odd)[0] is Standing.NUMBERLESS
    numbering.take(odd, answer(None))
    assert numbering.place(odd)[0] is Standing.REPEAT
    assert numbering.acked_n == 2


def test_an_id_of_another_driver_takes_nothing_from_its_owner() -> None:
    """The driver's own event comes first; alone, a foreign id is refused."""
    id_ = uuid4()
    owned = Memory(by_id={id_: Stored(b"", answer(9))}, foreign_ids={id_})
    assert Numbering(0, owned).place(heard(1, id_=id_))[0] is Standing.KNOWN_ID
    assert Numbering(0, Memory(foreign_ids={id_})).place(heard(1, id_=id_))[0] is Standing.ID_TAKEN


def test_a_flush_knows_no_gap() -> None:
    """Last words are taken in whatever is missing before them."""
    numbering = Numbering(1, Memory(), flush=True)
    late = heard(7)
    assert numbering.place(late)[0] is Standing.NEW
    numbering.take(late, answer(7))
    assert (numbering.acked_n, numbering.need_from) == (7, None)
