"""A stand-in for GlitchTip, for machines that cannot have its image.

It has GlitchTip's shape: ``web`` takes telemetry in and queues it in Redis, a worker takes it from
there, a scheduler does periodic work, all state is in Postgres, ``migrate`` makes the tables. So
what is claimed of the deployment (stop, start and restart of a service, nothing lost, nothing
doubled) can be executed. What it answers is the embedded Sentry's, so it proves nothing of
GlitchTip itself; its image is labelled so.

One thing differs: GlitchTip's worker writes to Postgres, this one hands each item to ``web``, which
writes it. One writer keeps the journal's order, and so the ids of issues, without a lock.
"""
