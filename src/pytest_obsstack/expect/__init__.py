"""Expectations: what must have arrived, what must not have, and the message when it is otherwise.

Checks compute differences and return values; only ``raising`` turns a mismatch into an
``AssertionError``, so that messages, near misses and hops are the same everywhere.
"""
