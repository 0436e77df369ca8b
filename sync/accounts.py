"""What each driver says of how a visit ended, once his corrections are counted. Pure.

An account is one event that ended the visit, or was kept beside what did, with every correction of
it, and with the same told again. A correction mends its driver's own account and never what
somebody else said.
"""

from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from backend.domain.people import ActorType
from backend.domain.stop import StopState
from backend.store.visits import Word
from sync.kinds import Kind
from sync.matrix import Outcome


class Account(NamedTuple):
    """One driver's account of a visit: all its words, and the one that counts now."""

    words: tuple[Word, ...]
    counts: Word

    @property
    def driver(self) -> str:
        """Whose it is."""
        return self.words[0].actor_id

    @property
    def delivered(self) -> bool:
        """Whether it says by now that goods changed hands."""
        return self.counts.ending == Kind.STOP_DELIVERED

    @property
    def causes(self) -> frozenset[UUID]:
        """The mutations it is made of."""
        return frozenset(word.mutation_id for word in self.words if word.mutation_id is not None)

    def word(self, mutation_id: UUID) -> Word | None:
        """Return one of its words."""
        return next((word for word in self.words if word.mutation_id == mutation_id), None)


def accounts(words: Iterable[Word]) -> list[Account]:
    """Gather words, oldest first, into accounts; a correction that came too late counts nothing.

    A driver who told the same twice, on one phone or on two, mends what he told by mending either.
    """
    found: list[Account] = []
    for word in words:
        if word.source != ActorType.DRIVER:
            continue
        place = next((k for k, one in enumerate(found) if _belongs(word, one)), None)
        if place is not None:
            old = found[place]
            counts = old.counts if word.outcome == Outcome.RECORDED else word
            found[place] = Account((*old.words, word), counts)
        elif word.corrects is None:
            found.append(Account((word,), word))
    return found


def _belongs(word: Word, account: Account) -> bool:
    if account.driver != word.actor_id:
        return False
    if word.corrects is not None:
        return word.corrects in account.causes
    return word.outcome == Outcome.RECORDED and word.ending == account.counts.ending


def cancelled(words: Iterable[Word]) -> bool:
    """Whether the office's last word on the stop is that nobody wants it any more."""
    said = [word.to for word in words if word.source != ActorType.DRIVER]
    return bool(said) and said[-1] == StopState.CANCELLED
