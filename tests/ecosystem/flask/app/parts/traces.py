"""OpenTelemetry: opentelemetry-instrumentation-flask, its first page."""

from flask import Blueprint, Flask
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ...adapter import login_not_required

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
blueprint = Blueprint("spans", __name__)


@blueprint.get("/spans")
@login_not_required
def spans():
    return [
        {
            "name": span.name,
            "kind": span.kind.name,
            "trace": f"{span.context.trace_id:032x}",
            "attributes": {k: str(v) for k, v in (span.attributes or {}).items()},
        }
        for span in exporter.get_finished_spans()
    ]


def init_app(app: Flask) -> None:
    FlaskInstrumentor().instrument_app(app, tracer_provider=provider)
    app.register_blueprint(blueprint)
