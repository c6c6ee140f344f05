"""OpenTelemetry: what was exported, to be looked at."""

from django.contrib.auth.decorators import login_not_required
from django.http import JsonResponse
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

exporter = InMemorySpanExporter()


@login_not_required
def spans(request):
    return JsonResponse(
        [
            {
                "name": span.name,
                "kind": span.kind.name,
                "trace": f"{span.context.trace_id:032x}",
                "attributes": {k: str(v) for k, v in (span.attributes or {}).items()},
            }
            for span in exporter.get_finished_spans()
        ],
        safe=False,
    )
