"""Policies that guard a call, and the errors that all of Holdfast raises."""

from holdfast.errors import (
    CircuitBreakerOpenError,
    ErrorCode,
    NetworkError,
    RateLimitError,
    ResilienceError,
    RetryExhaustedError,
)
from holdfast.resilience.backoff import exponential, jittered, quick
from holdfast.resilience.rate_limit import KeyedTokenBucket, TokenBucket

__all__ = [
    "CircuitBreakerOpenError",
    "ErrorCode",
    "KeyedTokenBucket",
    "NetworkError",
    "RateLimitError",
    "ResilienceError",
    "RetryExhaustedError",
    "TokenBucket",
    "exponential",
    "jittered",
    "quick",
]
