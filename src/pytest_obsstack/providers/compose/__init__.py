"""``--obs-stack=compose``: the stack in containers, started and ended through Compose."""
