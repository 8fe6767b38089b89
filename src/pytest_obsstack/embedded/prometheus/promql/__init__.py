"""PromQL's grammar: text to checked syntax tree, with Prometheus' own error texts and positions.

Written by hand although promql-parser exists: that one tells no positions, which Prometheus puts
into each error and annotation, words its errors in another way, and refuses syntax that came with
Prometheus 3. It serves as a judge in the contract tests instead.
"""
