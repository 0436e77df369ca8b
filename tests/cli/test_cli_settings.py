"""Settings that name how many processes there are."""

import pytest

from backend.settings import SettingsIncomplete, load


def test_one_api_process_unless_more_are_asked_for() -> None:
    """One by default; the number that was given otherwise."""
    assert load({}).api_workers == 1
    assert load({"DOORSTEP_API_WORKERS": "4"}).api_workers == 4


@pytest.mark.parametrize("given", ["0", "17", "two", "-1", "", "1.5", "²"])
def test_what_is_no_number_of_processes_is_refused(given: str) -> None:
    """And the refusal names the variable."""
    with pytest.raises(SettingsIncomplete, match="DOORSTEP_API_WORKERS"):
        load({"DOORSTEP_API_WORKERS": given})
