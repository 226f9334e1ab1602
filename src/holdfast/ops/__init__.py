"""What an operator needs: metrics, alerts, errors, logs, an orderly end."""

from holdfast.ops.alerts import RULES, Alert, AlertRule, Alerts, RuleKind, Severity
from holdfast.ops.errors import (
    EmergencyPolicy,
    ErrorCategory,
    ErrorHandler,
    ErrorSeverity,
    HandledError,
    get_error_handler,
    handle_error,
    set_error_handler,
)
from holdfast.ops.logs import LogLine, RecentLog, configure_logging, without_secrets
from holdfast.ops.metrics import DECLARED, Kind, Metric, Metrics
from holdfast.ops.shutdown import Phase, ShutdownManager, ShutdownSettings, StepReport
from holdfast.ops.sketch import Sketch, Trend
from holdfast.ops.tracing import Traces, Tracing, Untraced, configure_tracing

__all__ = [
    "DECLARED",
    "RULES",
    "Alert",
    "AlertRule",
    "Alerts",
    "EmergencyPolicy",
    "ErrorCategory",
    "ErrorHandler",
    "ErrorSeverity",
    "HandledError",
    "Kind",
    "LogLine",
    "Metric",
    "Metrics",
    "Phase",
    "RecentLog",
    "RuleKind",
    "Severity",
    "ShutdownManager",
    "ShutdownSettings",
    "Sketch",
    "StepReport",
    "Traces",
    "Tracing",
    "Trend",
    "Untraced",
    "configure_logging",
    "configure_tracing",
    "get_error_handler",
    "handle_error",
    "set_error_handler",
    "without_secrets",
]
