"""OpenTelemetry: https://docs.litestar.dev/latest/usage/metrics/open-telemetry.html."""

from __future__ import annotations

from typing import Any

from litestar import get
from litestar.plugins.opentelemetry import OpenTelemetryConfig, OpenTelemetryPlugin
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
open_telemetry_config = OpenTelemetryConfig(tracer_provider=provider)


@get("/spans", exclude_from_auth=True, sync_to_thread=False)
def spans() -> list[Any]:
    return [
        {
            "name": span.name,
            "kind": span.kind.name,
            "trace": f"{span.context.trace_id:032x}" if span.context else "",
            "attributes": {k: str(v) for k, v in (span.attributes or {}).items()},
        }
        for span in exporter.get_finished_spans()
    ]


PART: dict[str, Any] = {
    "plugins": [OpenTelemetryPlugin(open_telemetry_config)],
    "route_handlers": [spans],
}
