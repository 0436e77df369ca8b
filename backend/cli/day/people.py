"""The people who may sign in to a made-up installation, with passwords nobody else has."""

import secrets
from dataclasses import dataclass

from backend.domain.people import Role
from backend.settings import Settings


@dataclass(frozen=True, slots=True)
class Login:
    """One person's way in."""

    email: str
    password: str
    role: Role
    depots: tuple[str, ...] = ()


async def employ(settings: Settings, depots: tuple[str, ...]) -> dict[str, Login]:
    """Add an administrator, two supervisors and somebody from compliance; by name."""
    from backend.cli.ground import database
    from backend.identity.people import add_person

    logins = {
        "admin": _login("admin", Role.ADMIN),
        "supervisor": _login("supervisor", Role.SUPERVISOR, depots),
        "second": _login("second.supervisor", Role.SUPERVISOR, depots),
        "compliance": _login("compliance", Role.COMPLIANCE),
    }
    async with database(settings) as db:
        for login in logins.values():
            async with db.begin() as tx:
                await add_person(tx, login.email, login.role, list(login.depots), login.password)
    return logins


def _login(name: str, role: Role, depots: tuple[str, ...] = ()) -> Login:
    return Login(f"{name}@example.com", secrets.token_urlsafe(9), role, depots)
