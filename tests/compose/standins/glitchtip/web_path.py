"""Where ``web`` takes deliveries: a module of its own, as the worker loads nothing of ``web``."""

DELIVERIES = "/internal/deliveries"
