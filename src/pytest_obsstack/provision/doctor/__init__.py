"""Says whether telemetry can arrive, without a test and without an app: ``obsstack doctor``.

::

    choose        what is examined: the kept stack, servers of --use and OBS_*, or a DSN alone
    subject       that, with its clients and what has been learned of it so far
    redaction     its secrets, which no report shows
    checks        the table of checks, and the runner: one row for each check and part

    servers       reach, tls, clock: one harmless request to each (probe)
    surroundings  proxy, sdk
    tracker       dsn, api, project, key
    reports       event, encoding, transaction, limits
    signals       span, log, metric
    pipeline      health, pipeline, targets, grafana
    labels        labels

    canary        what is sent, delivery how
    sending       one test event: ``obsstack send``
"""
