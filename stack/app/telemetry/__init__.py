"""How simple-app reports: errors and transactions to Sentry, the rest over OTLP to a collector."""
