"""Tickets: once, and soon."""

import pytest

from realtime.web import tickets
from realtime.web.caller import Caller, Role
from realtime.web.tickets import Tickets
from tests.fakes import FakeClock

ANN = Caller(Role.VIEWER, "ann")


def test_a_ticket_is_good_once() -> None:
    """It tells whose it is the first time, and nothing after that."""
    issued = Tickets(30)
    ticket = issued.issue(ANN)

    assert issued.redeem(ticket) == ANN
    assert issued.redeem(ticket) is None
    assert len(issued) == 0


def test_a_ticket_is_good_for_a_while() -> None:
    """After its time it is worth nothing."""
    clock = FakeClock()
    issued = Tickets(30, clock)
    one, other = issued.issue(ANN), issued.issue(ANN)
    clock.seconds += 29.9
    assert issued.redeem(one) == ANN
    clock.seconds += 0.2

    assert issued.redeem(other) is None


@pytest.mark.parametrize("made_up", ["", "x", "ä" * 100, "\udcff\ud800"])
def test_what_was_never_issued_is_nothing(made_up: str) -> None:
    """A ticket that somebody made up is nobody's."""
    issued = Tickets(30)
    issued.issue(ANN)

    assert issued.redeem(made_up) is None


def test_unused_tickets_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that nobody uses take no room after their time, and never more than there is."""
    monkeypatch.setattr(tickets, "MOST", 10)
    clock = FakeClock()
    issued = Tickets(30, clock)
    many = [issued.issue(ANN) for _ in range(25)]
    assert len(issued) == 10
    assert issued.redeem(many[0]) is None
    assert issued.redeem(many[-1]) == ANN
    clock.seconds += 31
    issued.issue(ANN)

    assert len(issued) == 1


def test_what_is_kept_tells_no_ticket() -> None:
    """Only hashes are kept."""
    issued = Tickets(30)
    ticket = issued.issue(ANN)

    assert ticket not in repr(vars(issued))
    assert ticket.encode() not in b"".join(issued._waiting)
