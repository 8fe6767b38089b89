"""A Prometheus-compatible server: scraping, remote write, PromQL and the HTTP API."""
