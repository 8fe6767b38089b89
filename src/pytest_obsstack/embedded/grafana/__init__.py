"""A stand-in for Grafana: its HTTP API on the provisioning folder that the real one reads.

What it answers about data it has really asked the data sources; there are no pages, and nothing can
be changed. Formats follow Grafana's HTTP API (grafana.com/docs/grafana/latest/developers/http_api)
and the data frames of grafana-plugin-sdk-go.
"""
