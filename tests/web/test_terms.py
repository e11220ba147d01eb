"""On what terms an address is served: what the documents say of it, and what the gate does."""

from pathlib import Path
from typing import Any

import pytest

from realtime.config import Settings
from realtime.web.caller import RANK, Role
from realtime.web.routes import ROUTES, TERMS, terms
from tests.web.guarded import Guarded, guarded
from tests.web.served import Serve

OPEN = Settings.model_construct()

EVERY_ROUTE = pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")


@pytest.fixture
async def closed(serve: Serve, tmp_path: Path) -> Guarded:
    return await guarded(serve, tmp_path)


async def status(closed: Guarded, route: Any, headers: dict[str, str]) -> int:
    """With what a request is answered; of a stream its beginning is enough."""
    path = route.path.format(id="hopper-01", name="x.js")
    async with closed.server.session.request(
        route.method, closed.server.url(path), headers=headers
    ) as answer:
        return answer.status


async def told(closed: Guarded, route: Any) -> dict[str, Any]:
    """What the server's own document says of a route."""
    document = (await closed.server.get("/api/openapi.json")).json
    operation: dict[str, Any] = document["paths"][route.path][route.method.lower()]
    return operation


@EVERY_ROUTE
async def test_what_is_told_to_be_guarded_is(closed: Guarded, route: Any) -> None:
    """Without a token an address is 401 if, and only if, the document names a scheme for it; the document then names the 401 too."""
    operation = await told(closed, route)

    assert (await status(closed, route, {}) == 401) == bool(operation["security"])
    assert not operation["security"] or {"401", "403"} <= operation["responses"].keys()


@EVERY_ROUTE
@pytest.mark.parametrize("role", Role)
async def test_the_role_that_is_told_is_enough(closed: Guarded, route: Any, role: Role) -> None:
    """A token of some role is refused if, and only if, the document names a higher one."""
    needed = [name for each in (await told(closed, route))["security"] for (name,) in each.values()]
    enough = all(RANK[role] >= RANK[Role(name)] for name in needed)

    assert (await status(closed, route, closed.bearer(role)) == 403) != enough


@EVERY_ROUTE
async def test_every_proof_that_is_told_is_taken(closed: Guarded, route: Any) -> None:
    """Where the document names the bearer, the cookie or the ticket, each by itself lets an admin in; a ticket that is not named does not."""
    ticket = (await closed.server.ask("POST", "/api/tickets", **closed.bearer(Role.ADMIN))).json["ticket"]
    own = {"Origin": f"http://127.0.0.1:{closed.server.port}"}
    names = {name for each in (await told(closed, route))["security"] for name in each}
    if not names:
        return
    path = route.path.format(id="hopper-01", name="x.js")
    let_in = set()
    for name, headers, query in (
        ("bearer", closed.bearer(Role.ADMIN), ""),
        ("cookie", own | {"Cookie": f"realtime={closed.tokens[Role.ADMIN]}"}, ""),
        ("ticket", {}, f"?ticket={ticket}"),
    ):
        async with closed.server.session.request(
            route.method, closed.server.url(path + query), headers=headers
        ) as answer:
            if answer.status not in (401, 403):
                let_in.add(name)

    assert let_in == names


def test_no_terms_are_of_a_handler_without_an_address() -> None:
    """What the table names is served somewhere."""
    assert TERMS.keys() <= {route.handler for route in ROUTES}


def test_where_nobody_is_asked_nothing_is_guarded() -> None:
    """Without `auth` no address has a scheme."""
    assert not any(each.proofs(OPEN) for each in terms().values())
