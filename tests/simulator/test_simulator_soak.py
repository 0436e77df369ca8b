"""The long run: its table is committed as docs/proofs/simulator.md."""

import os

import pytest

from tests.simulator import report, soak

HISTORIES = int(os.environ.get("DOORSTEP_HISTORIES", "30000"))


@pytest.mark.soak
def test_tens_of_thousands_of_histories_hold_every_invariant() -> None:
    """No violation in any of them; every server that is broken on purpose is found out."""
    *_, made = soak.soak(HISTORIES, processes=2)
    report.PAGE.parent.mkdir(exist_ok=True)
    report.PAGE.write_text(report.page(made), encoding="utf-8")
    assert made.stories == []
    assert all(made.found.values()), made.found
