"""Policies that guard a call, and the errors that all of Holdfast raises."""

from holdfast.errors import (
    CircuitBreakerOpenError,
    ErrorCode,
    NetworkError,
    NetworkTimeoutError,
    RateLimitError,
    ResilienceError,
    RetryExhaustedError,
)
from holdfast.resilience._ambient import instant_waits
from holdfast.resilience._breaker_machine import CircuitBreakerConfig, CircuitState
from holdfast.resilience._limit_rules import RateLimitConfig
from holdfast.resilience.backoff import exponential, jittered, quick
from holdfast.resilience.budget import RetryBudget
from holdfast.resilience.bulkhead import AdaptiveBulkhead, Bulkhead, BulkheadFullError
from holdfast.resilience.chaos import Chaos
from holdfast.resilience.circuit_breaker import CircuitBreaker, CircuitBreakerManager
from holdfast.resilience.events import (
    PolicyEvent,
    add_listener,
    opentelemetry_listener,
    prometheus_listener,
    structlog_listener,
)
from holdfast.resilience.fallback import Fallback
from holdfast.resilience.hedge import Hedge
from holdfast.resilience.policy import Policy
from holdfast.resilience.rate_limit import RateLimiter, TokenBucket
from holdfast.resilience.retry import (
    RetryPolicy,
    decorrelated_jitter,
    exponential_backoff,
    fibonacci_backoff,
    fixed_delay,
    linear_backoff,
    retry_sync,
    retry_with_policy,
)
from holdfast.resilience.timeout import Timeout, deadline, remaining

__all__ = [
    "AdaptiveBulkhead",
    "Bulkhead",
    "BulkheadFullError",
    "Chaos",
    "CircuitBreaker",
    "CircuitBreakerConfig",
    "CircuitBreakerManager",
    "CircuitBreakerOpenError",
    "CircuitState",
    "ErrorCode",
    "Fallback",
    "Hedge",
    "NetworkError",
    "NetworkTimeoutError",
    "Policy",
    "PolicyEvent",
    "RateLimitConfig",
    "RateLimitError",
    "RateLimiter",
    "ResilienceError",
    "RetryBudget",
    "RetryExhaustedError",
    "RetryPolicy",
    "Timeout",
    "TokenBucket",
    "add_listener",
    "deadline",
    "decorrelated_jitter",
    "exponential",
    "exponential_backoff",
    "fibonacci_backoff",
    "fixed_delay",
    "instant_waits",
    "jittered",
    "linear_backoff",
    "opentelemetry_listener",
    "prometheus_listener",
    "quick",
    "remaining",
    "retry_sync",
    "retry_with_policy",
    "structlog_listener",
]
