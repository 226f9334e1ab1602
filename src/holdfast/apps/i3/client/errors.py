"""What a gateway's API answers instead of a result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.apps.i3.api.rpc import RpcCode
from holdfast.errors import ResilienceError

if TYPE_CHECKING:
    from collections.abc import Mapping


class ApiError(ResilienceError):
    """The gateway says no.

    Attributes:
        code: of JSON-RPC; what the gateway itself says is in ``details`` as ``code`` and ``name``.
    """


def raised(error: Mapping[str, object]) -> ApiError:
    """Make the error of an answer; one with a code that is not known counts as internal."""
    data = error.get("data")
    details = {str(key): value for key, value in data.items()} if isinstance(data, dict) else {}
    wait = details.get("retry_after")
    try:
        code = RpcCode(int(str(error.get("code"))))
    except ValueError:
        code = RpcCode.INTERNAL_ERROR
    return ApiError(
        str(error.get("message", "")),
        code=code,
        details=details,
        retry_after=float(wait) if isinstance(wait, int | float) else None,
    )
