"""The people of a depot, as a client of the console's contract."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TypeVar

import anyio
import httpx
import msgspec

PREFIX = "/console/v1"
_POLL_S = 0.2

Shape = TypeVar("Shape")
Members = Mapping[str, object]


class ConsoleRefused(Exception):
    """The console answered with a problem, or with a plan that failed."""

    def __init__(self, call: str, status: int, said: str) -> None:
        super().__init__(f"{call}: {status} {said[:500]}")
        self.status = status


class Id(msgspec.Struct):
    id: str


class Imported(msgspec.Struct):
    accepted: int
    updated: int
    unchanged: int
    rejected: list[msgspec.Raw]
    warnings: list[msgspec.Raw] = []


class Left(msgspec.Struct):
    """A consignment the plan could not take, and why."""

    reference: str
    reason: str
    detail: str | None = None


class Plan(msgspec.Struct):
    id: str
    state: str
    assigned: int | None = None
    unassigned: list[Left] = []
    engine: str | None = None


class StopItem(msgspec.Struct):
    id: str
    state: str
    proof: str
    consignment_ids: list[str] = []


class RouteItem(msgspec.Struct):
    id: str
    depot: str
    date: str
    state: str
    driver_id: str | None = None
    stops: list[StopItem] = []


class Consignment(msgspec.Struct):
    id: str
    reference: str
    segment: str | None
    state: str
    tracking_url: str | None = None
    stops: list[str] = []
    attempts: int = 0


class InboxItem(msgspec.Struct):
    id: str
    kind: str
    state: str
    stop_id: str | None = None
    mutation_id: str | None = None
    actions: list[str] = []


class Happening(msgspec.Struct):
    """An event of a stop's timeline."""

    id: str
    kind: str
    source: str
    happened: str
    known: str
    mutation_id: str | None = None
    entry: str | None = None
    outcome: str = ""
    uncertainty_ms: int | None = None


class Overridden(msgspec.Struct):
    id: str | None = None
    state: str | None = None


class _Signed(msgspec.Struct):
    token: str


class _PlanId(msgspec.Struct):
    plan_id: str


class _Code(msgspec.Struct):
    code: str


class ControlRoom:
    """One signed-in person; every call is one line of the console's table."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    @classmethod
    async def sign_in(cls, base_url: str, email: str, password: str) -> "ControlRoom":
        """Open a session as this person."""
        room = cls(httpx.AsyncClient(base_url=base_url, timeout=60))
        signed = await room._read(
            "POST", "/sign-in", _Signed, json={"email": email, "password": password}
        )
        room._client.headers["authorization"] = f"Bearer {signed.token}"
        return room

    def token(self) -> str:
        """The bearer token, for tools that call by themselves."""
        return self._client.headers["authorization"].removeprefix("Bearer ")

    async def close(self) -> None:
        await self._client.aclose()

    # --- master data and orders ------------------------------------------------------------

    async def add(self, what: str, members: Members) -> str:
        """Make a depot, vehicle, driver or shift; its id."""
        return (await self._read("POST", f"/{what}", Id, json=members)).id

    async def import_consignments(
        self, depot: str, body: bytes, *, date: str, media_type: str = "application/json"
    ) -> Imported:
        return await self._read(
            "POST",
            "/imports/consignments",
            Imported,
            params={"depot": depot, "date": date},
            content=body,
            headers={"content-type": media_type},
        )

    async def consignments(self, **filters: str) -> list[Consignment]:
        return [item async for item in self._pages("/consignments", Consignment, filters)]

    # --- plans and routes ------------------------------------------------------------------

    async def plan(self, depot: str, date: str, time_limit_s: int) -> Plan:
        """Ask for a plan and wait until it is done."""
        ask = {"depot": depot, "date": date, "time_limit_s": time_limit_s}
        plan_id = (await self._read("POST", "/plans", _PlanId, json=ask)).plan_id
        while True:
            answer = await self._call("GET", f"/plans/{plan_id}")
            plan = msgspec.json.decode(answer.content, type=Plan)
            if plan.state == "failed":
                raise ConsoleRefused(f"plan {plan_id}", answer.status_code, answer.text)
            if plan.state == "done":
                return plan
            await anyio.sleep(_POLL_S)

    async def release(self, plan_id: str) -> None:
        await self._call("POST", f"/plans/{plan_id}/release")

    async def routes(self, date: str, depot: str) -> list[RouteItem]:
        filters = {"date": date, "depot": depot}
        return [item async for item in self._pages("/routes", RouteItem, filters)]

    # --- people's interventions ------------------------------------------------------------

    async def enrolment_code(self, driver_id: str) -> str:
        found = await self._read("POST", f"/drivers/{driver_id}/enrolment-codes", _Code)
        return found.code

    async def revoke(self, device_id: str) -> None:
        await self._call("POST", f"/devices/{device_id}/revoke")

    async def override(self, stop_id: str, members: Members) -> Overridden:
        """Override a stop; the answer waits for a second person where its state says so."""
        return await self._read("POST", f"/stops/{stop_id}/override", Overridden, json=members)

    async def confirm(self, override_id: str) -> None:
        await self._call("POST", f"/overrides/{override_id}/confirm")

    async def reassign(self, stop_id: str, route_id: str) -> None:
        await self._call("POST", f"/stops/{stop_id}/reassign", json={"route_id": route_id})

    async def resequence(self, route_id: str, stop_ids: Sequence[str]) -> None:
        await self._call("POST", f"/routes/{route_id}/resequence", json={"stop_ids": stop_ids})

    async def pin(self, stop_id: str) -> None:
        await self._call("POST", f"/stops/{stop_id}/pin")

    async def reissue(self, stop_id: str) -> None:
        """A new code and door token; the old ones die."""
        await self._call("POST", f"/stops/{stop_id}/code")

    async def timeline(self, stop_id: str) -> list[Happening]:
        return [event async for event in self._pages(f"/stops/{stop_id}/timeline", Happening, {})]

    async def inbox(self, state: str | None = "open") -> list[InboxItem]:
        """The inbox; all of it where no state is asked for."""
        filters = {"state": state} if state else {}
        return [item async for item in self._pages("/inbox", InboxItem, filters)]

    async def resolve(self, item_id: str, action: str, note: str) -> None:
        members = {"action": action, "note": note}
        await self._call("POST", f"/inbox/{item_id}/resolve", json=members)

    # --- compliance ------------------------------------------------------------------------

    async def checkpoint(self) -> str:
        return (await self._call("GET", "/audit/checkpoint")).text

    async def log_key(self) -> bytes:
        return (await self._call("GET", "/audit/key")).content

    async def export(self, start: str, end: str, *, evidence: bool = False) -> bytes:
        members = {"from": start, "to": end, "evidence": evidence}
        return (await self._call("POST", "/audit/exports", json=members)).content

    # --- how ------------------------------------------------------------------------------

    async def _pages(
        self, path: str, shape: type[Shape], filters: Mapping[str, str]
    ) -> AsyncIterator[Shape]:
        after: str | None = None
        while True:
            params = {**filters, **({"after": after} if after else {})}
            answer = await self._call("GET", path, params=params)
            page = msgspec.json.decode(answer.content, type=_Page)
            for item in page.items:
                yield msgspec.json.decode(item, type=shape)
            if page.next is None:
                return
            after = page.next

    async def _read(self, method: str, path: str, shape: type[Shape], **how: object) -> Shape:
        answer = await self._call(method, path, **how)
        return msgspec.json.decode(answer.content or b"{}", type=shape)

    async def _call(self, method: str, path: str, **how: object) -> httpx.Response:
        request = self._client.build_request(method, f"{PREFIX}{path}", **how)  # type: ignore[arg-type]
        answer = await self._client.send(request)
        if answer.is_error:
            raise ConsoleRefused(f"{method} {path}", answer.status_code, answer.text)
        return answer


class _Page(msgspec.Struct):
    items: list[msgspec.Raw]
    next: str | None = None
