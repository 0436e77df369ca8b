"""Who this phone is: enrolment, and the pair of tokens that proves it from call to call.

Refresh tokens rotate. The nonce of a refresh is on the disk before the call goes out, so a phone
that lost the reply, or its battery, asks again with the same nonce and gets the same successor.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import anyio
import httpx
import msgspec

from handset.disk import Disk
from handset.faults import NotEnrolled, ProtocolFault, SignInLost
from handset.keys import DeviceKey
from handset.transport import Fresh, Road, refusal
from handset.wire import Tokens

PREFIX = "/driver/v1"


@dataclass(frozen=True, slots=True)
class Device:
    """What the phone says about itself at enrolment."""

    platform: str = "reference"
    model: str = "handset.py"
    app_version: str = "1.0.0"


class Session:
    """Every call but enrolment goes through `call`."""

    def __init__(self, disk: Disk, road: Road, device: Device, key: DeviceKey | None) -> None:
        self._disk = disk
        self._road = road
        self._device = device
        self._key = key
        self._refreshing = anyio.Lock()

    @property
    def device_id(self) -> str | None:
        return self._disk.get("device_id")

    @property
    def driver_id(self) -> str | None:
        return self._disk.get("driver_id")

    @property
    def epoch(self) -> str | None:
        return self._disk.get("epoch")

    @property
    def must_enrol(self) -> bool:
        """Whether this identity is lost, or another phone has it too; a new code ends that."""
        return self._disk.get("must_enrol") is not None

    @must_enrol.setter
    def must_enrol(self, truth: bool) -> None:
        self._disk.put("must_enrol", "yes" if truth else None)

    async def enrol(self, code: str, moved: Callable[[Tokens], None] = lambda _: None) -> Tokens:
        """Trade a one-time code for a device identity; not repeated, for the code works once.

        ``moved`` is told of another identity than before, in the transaction that takes it on: a
        phone is never found with a new name and its old numbers.
        """
        about = {
            "platform": self._device.platform,
            "model": self._device.model,
            "app_version": self._device.app_version,
        }
        if self._key is not None:
            about["public_key"] = self._key.public_key
        body = msgspec.json.encode({"code": code, "device": about})
        content, headers = self._road.packed(body)
        answer = await self._road.send(
            "POST", f"{PREFIX}/devices", content=content, headers=headers, once=True
        )
        if answer.status_code != 201:
            raise refusal(answer)
        tokens = _tokens(answer)
        with self._disk.transaction():
            before = self.device_id
            self._store(tokens)
            self.must_enrol = False
            if before is not None and before != tokens.device_id:
                moved(tokens)
        return tokens

    async def call(
        self,
        method: str,
        path: str,
        *,
        content: bytes | Fresh | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """An authorised request; an expired token is renewed and the request repeated, once."""
        for last_try in (False, True):
            access = self.access
            answer = await self._road.send(
                method,
                f"{PREFIX}{path}",
                content=content,
                params=params,
                headers={"authorization": f"Bearer {access}", **(headers or {})},
            )
            if answer.status_code != 401 or last_try:
                return answer
            await self.refresh(access)
        raise ProtocolFault("unreachable: the second try always answers")

    @property
    def access(self) -> str:
        access = self._disk.get("access_token")
        if access is None:
            raise NotEnrolled("enrol with a code first")
        return access

    async def refresh(self, spent_access: str | None = None) -> None:
        """Renew the tokens, unless another call has just done so."""
        async with self._refreshing:
            if spent_access is not None and self._disk.get("access_token") != spent_access:
                return
            body = msgspec.json.encode(self._refresh_request())
            content, headers = self._road.packed(body)
            answer = await self._road.send(
                "POST", f"{PREFIX}/tokens", content=content, headers=headers
            )
            if answer.status_code in {401, 403}:
                problem = refusal(answer)
                self.must_enrol = True
                raise SignInLost(problem.status, problem.code, problem.detail)
            if answer.status_code != 200:
                raise refusal(answer)
            self._store(_tokens(answer))

    def _refresh_request(self) -> dict[str, str]:
        """The same nonce until its reply has arrived."""
        refresh_token = self._disk.get("refresh_token")
        if refresh_token is None:
            raise NotEnrolled("enrol with a code first")
        nonce = self._disk.get("nonce")
        if nonce is None:
            nonce = secrets.token_urlsafe(16)
            self._disk.put("nonce", nonce)
        return {"refresh_token": refresh_token, "nonce": nonce}

    def _store(self, tokens: Tokens) -> None:
        with self._disk.transaction():
            self._disk.put("device_id", tokens.device_id)
            self._disk.put("driver_id", tokens.driver_id)
            self._disk.put("access_token", tokens.access_token)
            self._disk.put("refresh_token", tokens.refresh_token)
            self._disk.put("nonce", None)
            if self.epoch is None:
                self._disk.put("epoch", tokens.epoch)


def _tokens(answer: httpx.Response) -> Tokens:
    try:
        return msgspec.json.decode(answer.content, type=Tokens)
    except msgspec.DecodeError as error:
        raise ProtocolFault(f"unreadable tokens: {error}") from error
