"""What can fail a sync request as a whole, and what cannot."""

import pytest

from sync.envelope import EnvelopeInvalid, open_envelope


@pytest.mark.parametrize("text", [b'"\\ud800"', b'"\xff"', b'"\\x"'])
def test_text_that_nobody_can_read_is_a_foreign_cursor(text: bytes) -> None:
    """It is of the right type, so it asks for a snapshot instead of failing the mutations."""
    opened = open_envelope(b'{"cursor":%s,"mutations":[{"n":1}]}' % text)
    assert (opened.cursor, opened.mutations) == ("", (b'{"n":1}',))


@pytest.mark.parametrize("text", [b"7", b"{}", b'"a" 5', b"nul", b'"a""b"'])
def test_a_cursor_of_another_type_fails(text: bytes) -> None:
    """As does what is no value at all."""
    with pytest.raises(EnvelopeInvalid):
        open_envelope(b'{"cursor":%s}' % text)
