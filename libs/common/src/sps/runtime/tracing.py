"""The tracer of a process's settings. Without an endpoint nothing of OpenTelemetry is even imported."""

from sps.runtime.metrics import TraceMetrics
from sps.runtime.settings import ProcessSettings
from sps.tracing.span import NO_TRACER, Tracer


def tracer_of(settings: ProcessSettings, service: str, metrics: TraceMetrics) -> Tracer:
    """The tracer of one service; it sends nothing before something is recorded."""
    if not settings.trace_endpoint:
        return NO_TRACER
    from sps.runtime.monitor import version
    from sps.tracing.otlp import OtlpTracer

    return OtlpTracer(
        settings.trace_endpoint, service=service, version=version(), share=settings.trace_share, meter=metrics
    )
