"""Rules: alerting and recording rules, their evaluation, and the notifications of alerts."""
