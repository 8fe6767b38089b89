"""The mutation self-check: which telemetry faults the tests of a run notice, and which not.

``catalog`` lists the faults, ``plan`` chooses those that concern a test, ``plugin`` runs tests
again, ``outcome`` and ``score`` say what came of it, ``summary`` tells it.
"""
