"""The driver's manifest as typed values: what the contract calls entities."""

from __future__ import annotations

from typing import TypeAlias

import msgspec


class Window(msgspec.Struct, frozen=True):
    start: str | None = None
    end: str | None = None


class Place(msgspec.Struct, frozen=True):
    name: str | None = None
    lines: list[str] = []
    lat: float | None = None
    lon: float | None = None
    geofence_m: float | None = None
    access_note: str | None = None


class Contact(msgspec.Struct, frozen=True):
    name: str | None = None
    phone_masked: str | None = None


class Parcel(msgspec.Struct, frozen=True):
    id: str
    barcode: str | None = None
    description: str | None = None
    handling: list[str] = []
    weight_kg: float | None = None


class Requirement(msgspec.Struct, frozen=True, rename={"otherwise": "else"}):
    """One thing a rule asks for: a kind of evidence, or any one of several."""

    evidence: str | None = None
    any_of: list[AnyOfItem] | None = None
    level: str = "required"
    min: int = 1
    otherwise: list[AnyOfItem] | None = None


AnyOfItem: TypeAlias = str | Requirement


class Rule(msgspec.Struct, frozen=True):
    """`when` narrows by method or reason (a word or a list of words); empty matches all."""

    when: dict[str, str | list[str] | None] = {}
    require: list[Requirement] = []


class Door(msgspec.Struct, frozen=True):
    commitment: str
    expires_at: str | None = None


class Stop(msgspec.Struct, frozen=True):
    id: str
    route_id: str
    version: int
    state: str
    sequence: int = 0
    proof: str = "none"
    attempt: int = 1
    segment: str | None = None
    priority: float | None = None
    eta: str | None = None
    window: Window | None = None
    service_s: float | None = None
    place: Place | None = None
    contact: Contact | None = None
    parcels: list[Parcel] = []
    instructions: str | None = None
    actions: list[str] = []
    policy_version: int | None = None
    proof_rules: dict[str, list[Rule]] = {}
    door: Door | None = None


class Depot(msgspec.Struct, frozen=True):
    name: str | None = None
    lat: float | None = None
    lon: float | None = None


class Route(msgspec.Struct, frozen=True):
    id: str
    version: int
    state: str
    date: str | None = None
    depot: Depot | None = None
    shift: Window | None = None
    stop_ids: list[str] = []
    released_at: str | None = None


class Reason(msgspec.Struct, frozen=True):
    code: str
    label: str = ""
    needs: list[str] = []


class Reasons(msgspec.Struct, frozen=True):
    items: list[Reason] = []
