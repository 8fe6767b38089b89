"""An OpenTelemetry Collector with one fixed pipeline, as the contrib distribution would run it.

``otlp`` receiver (HTTP) → ``otlp_http/sentry`` (and ``otlp_http/tempo`` where it is given) for
traces, ``prometheus`` for metrics (scraped), ``otlp_http/loki`` for logs. Sending queues and
retries are off: a backend's error reaches the app.
"""
