"""A Tempo-compatible trace store: OTLP in, traces by id and a part of TraceQL out.

Formats and texts follow Tempo's HTTP API (grafana.com/docs/tempo/latest/api_docs) and the behaviour
of its query frontend; what is left out is refused by name.
"""
