"""The embedded Loki: pushes and OTLP logs in, LogQL answers out."""
