"""Every second of a population is somebody's, and only once."""

import pytest

from snnjax.ledger import Ledger


def test_who_trains_more_takes_more():
    ledger = Ledger([100, 200])
    for member in range(2):
        ledger.note(member, 3)
    assert ledger.share_out([0, 1], 9.0, 0.0) == [(3.0, 0.0), (6.0, 0.0)]


def test_shares_add_up_though_members_end_at_different_times():
    """After 10 seconds one of three equals ends, after 16 another, the last goes on alone."""
    ledger = Ledger([50, 50, 50])
    for member in range(3):
        ledger.note(member, 5)
    ((first, compiling),) = ledger.share_out([1], 9.0, 3.0)
    assert (first, compiling) == (3.0, 1.0)
    ledger.note(0, 8)
    ledger.note(2, 8)
    ((second, _),) = ledger.share_out([0], 15.0, 3.0)
    assert second == 6.0
    ledger.note(2, 20)
    ((third, rest),) = ledger.share_out([2], 21.0, 5.0)
    assert third == 12.0
    assert first + second + third == pytest.approx(21.0)
    assert rest == 3.0


def test_who_did_nothing_takes_nothing():
    assert Ledger([10]).share_out([0], 2.0) == [(0.0,)]


def test_what_was_trained_by_an_earlier_start_is_not_paid_again():
    ledger = Ledger([100, 100], {0: 6})
    ledger.note(0, 9)
    ledger.note(1, 1)
    assert ledger.share_until_now(0, 8.0) == (6.0,)
    assert ledger.share_until_now(1, 8.0) == (2.0,)
    assert ledger.share_out([0, 1], 8.0) == [(6.0,), (2.0,)]


def test_what_is_told_meanwhile_costs_nothing():
    ledger = Ledger([100, 100])
    for member in range(2):
        ledger.note(member, 2)
    assert ledger.share_until_now(0, 4.0, 2.0) == (2.0, 1.0)
    assert ledger.share_out([1], 4.0, 2.0) == [(2.0, 1.0)]
    assert ledger.share_until_now(0, 6.0, 2.0) == (4.0, 1.0)
    assert ledger.share_until_now(1, 6.0, 2.0) == (0.0, 0.0)
