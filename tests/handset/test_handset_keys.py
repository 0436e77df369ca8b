"""Signing: canonical bytes as RFC 8785 has them, and a key that stays the same phone's."""

import base64
import hashlib
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from handset.keys import DeviceKey, canonical
from handset.wire import Body


def test_canonical_bytes_follow_the_standard() -> None:
    """The example of RFC 8785 section 3.2.2 comes out as its section 3.2.3 prints it."""
    value: Body = {
        "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": '\u20ac$\u000f\nA\'B"\\\\"/',
        "literals": [None, True, False],
    }
    assert canonical(value) == (
        b'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        b'"string":"\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


def test_members_sort_by_utf16_code_units() -> None:
    """RFC 8785 section 3.2.3: a character beyond the basic plane sorts before U+FB33."""
    names = {"\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7}
    order = ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
    text = canonical(names).decode()
    places = [text.index(f":{names[name]}") for name in order]
    assert places == sorted(places)


def test_a_known_key_signs_as_rfc_8032_says() -> None:
    """The public key of RFC 8032 test 1, and a signature that it verifies."""
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    key = DeviceKey(seed)
    public = base64.urlsafe_b64decode(key.public_key + "=")
    assert public.hex() == "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    mutation: Body = {"n": 1, "body": {"text": "\u00e9"}}
    signature = base64.urlsafe_b64decode(key.sign(mutation) + "==")
    Ed25519PublicKey.from_public_bytes(public).verify(
        signature, '{"body":{"text":"\u00e9"},"n":1}'.encode()
    )


def test_the_key_is_made_once_and_kept_private(tmp_path: Path) -> None:
    """A second start has the same key, and nobody but the owner may read it."""
    path = tmp_path / "device.key"
    first = DeviceKey.kept_in(path).public_key
    before = hashlib.sha256(path.read_bytes()).digest()
    assert DeviceKey.kept_in(path).public_key == first
    assert hashlib.sha256(path.read_bytes()).digest() == before
    assert path.stat().st_mode & 0o077 == 0
