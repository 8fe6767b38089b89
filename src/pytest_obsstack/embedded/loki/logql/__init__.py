"""LogQL: text → syntax tree (``parse``) → answer (``evaluate``), all pure.

The parser is written by hand: Loki's error texts list what could have come next exactly as its
LALR tables do, which needs control of every state, and nothing has to be built at start-up.
"""
