"""A part of TraceQL: spanset filters, and such filters joined by ``&&`` and ``||``.

Grammar, precedence, types and error texts follow Tempo (grafana.com/docs/tempo/latest/traceql).
Pipelines, structural operators, arithmetic and metrics are refused by name.
"""
