"""Evaluating PromQL: a checked syntax tree and a store give values; no I/O."""
