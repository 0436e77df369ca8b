"""The customer's QR checked with no network."""

import base64
import hashlib
import uuid

import pytest

from handset.door import opens, read_qr

STOP = uuid.UUID("0192f0c1-7d2a-7c3e-9b1a-3f5e6d7c8b9a")
TOKEN = bytes(range(16))


def _qr(stop: uuid.UUID = STOP, token: bytes = TOKEN) -> str:
    return "DS1:" + base64.b32encode(stop.bytes + token).decode().rstrip("=")


def _commitment(stop: uuid.UUID = STOP, token: bytes = TOKEN) -> str:
    return hashlib.sha256(
        b"doorstep-door-v1\x00" + str(stop).encode() + b"\x00" + token
    ).hexdigest()


def test_the_right_token_opens() -> None:
    """The commitment of the manifest is the hash of what the QR holds."""
    assert opens(_qr(), str(STOP), _commitment())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "DS1:",
        "DS2:" + _qr()[4:],
        _qr()[:-1],
        _qr() + "A",
        _qr().lower(),
        "DS1:" + "1" * 52,
        "https://example.test/",
        _qr(token=bytes(16)),
    ],
)
def test_anything_else_does_not(text: str) -> None:
    """A false token, another prefix, a damaged or foreign text: no, and no exception."""
    assert not opens(text, str(STOP), _commitment())


def test_another_stops_token_does_not_open_this_one() -> None:
    """A neighbour's true token is no proof here."""
    other = uuid.uuid4()
    assert not opens(_qr(other), str(STOP), _commitment(other))


def test_a_token_reads_back() -> None:
    """The QR holds the stop and the token, nothing else."""
    token = read_qr(_qr())
    assert token is not None
    assert (token.stop_id, token.token) == (STOP, TOKEN)
