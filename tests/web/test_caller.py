"""Who asks, and what that one may see."""

import pytest
from aiohttp.test_utils import make_mocked_request

from realtime.state.view import TOPICS
from realtime.web.caller import ANYONE, CALLER, NOBODY, PEOPLE, Caller, Role, caller_of, refused


def test_roles_are_a_ladder() -> None:
    """Each role may do what those below it may, and no more."""
    may = {role: [other for other in Role if Caller(role, "x").may(other)] for role in Role}

    assert may == {
        Role.KIOSK: [Role.KIOSK],
        Role.VIEWER: [Role.KIOSK, Role.VIEWER],
        Role.ADMIN: [Role.KIOSK, Role.VIEWER, Role.ADMIN],
    }


@pytest.mark.parametrize("role", Role)
def test_only_kiosks_do_not_see_people(role: Role) -> None:
    """For a kiosk the topics that name people are not there; for all others every topic is."""
    hidden = set(TOPICS) - set(Caller(role, "x").topics)

    assert hidden == (set(PEOPLE) if role is Role.KIOSK else set())


def test_where_nobody_is_asked_everyone_may_everything() -> None:
    """A request that no gate has judged is anyone's, and anyone may see everything; who has shown nothing at a gate is nobody."""
    request = make_mocked_request("GET", "/")
    assert caller_of(request) is ANYONE
    assert ANYONE.may(Role.ADMIN)
    request[CALLER] = NOBODY

    assert not caller_of(request).may(Role.VIEWER)


def test_a_refusal_is_a_401() -> None:
    """A token that lets nobody in is the caller's fault, and says so to programs."""
    assert (refused("x").status, refused("x").code) == (401, "bad_token")
