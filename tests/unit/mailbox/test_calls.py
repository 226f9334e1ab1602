"""Requests and their answers over one connection after the other."""

from __future__ import annotations

import pytest

from holdfast import limits
from holdfast.errors import ErrorCode, MailboxFullError, NetworkError
from holdfast.mailbox._calls import NUMBER_MAX, Calls, error_of
from holdfast.mailbox.wire import Done, Refused
from holdfast.world import RealWorld


class Dice(RealWorld):
    """A world whose secrets are known."""

    def __init__(self, *secrets: int) -> None:
        super().__init__()
        self.secrets = list(secrets)

    def secret_bytes(self, size: int) -> bytes:
        return self.secrets.pop(0).to_bytes(size)


async def test_each_connection_numbers_from_a_place_of_its_own() -> None:
    calls = Calls(Dice(1000, 77))
    first, _ = calls.begin()
    second, answer = calls.begin()
    assert (first, second) == (1001, 1002)
    calls.lost("it broke")
    with pytest.raises(NetworkError):
        await answer
    third, _ = calls.begin()
    assert third == 78, "a gateway that saw 1002 does not see 1003 on the next connection"
    assert len(calls) == 1


async def test_numbers_begin_anew_after_the_last_one() -> None:
    calls = Calls(Dice(NUMBER_MAX - 1))
    numbers = [calls.begin()[0] for _ in range(3)]
    assert numbers == [NUMBER_MAX, 1, 2]


async def test_an_answer_that_is_late_finds_nobody() -> None:
    calls = Calls(Dice(5, 5))
    number, _ = calls.begin()
    calls.end(number)
    calls.answered(Done(number))
    calls.answered(Done(4711))
    assert not len(calls)


def test_nobody_is_asked_to_wait_for_ever() -> None:
    error = error_of(Refused(1, ErrorCode.MAILBOX_FULL, "Full.", 2**32 - 1))
    assert isinstance(error, MailboxFullError)
    assert error.retry_after == limits.MAILBOX_RETRY_MAX
    assert error_of(Refused(1, ErrorCode.MAILBOX_FULL, "Full.")).retry_after is None


def test_what_a_gateway_says_to_persons_moves_no_cursor() -> None:
    error = error_of(Refused(1, ErrorCode.MAILBOX_FULL, "\x1b[2Jgone\r\n\u202eevil\x00"))
    assert error.message == " [2Jgone   evil "
