"""A receiver of alerts that runs in the test process: whom Prometheus, Sentry and others notify."""
