"""The embedded Prometheus as a product: store, scrapes, HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from pytest_obsstack.embedded.body import BodyTooLarge
from pytest_obsstack.embedded.journal import Journal, JournalEntry
from pytest_obsstack.embedded.prometheus.refusal import unsupported_text
from pytest_obsstack.embedded.prometheus.remote_write import (
    NativeHistogram,
    RemoteWriteError,
    WrittenSeries,
    decode,
    unpack,
)
from pytest_obsstack.embedded.prometheus.scrape import ScrapeManager, ScrapeReport
from pytest_obsstack.embedded.prometheus.settings import PrometheusSettings
from pytest_obsstack.embedded.prometheus.store import AppendError, SeriesStore
from pytest_obsstack.embedded.prometheus.target import ScrapeResult, Target, TargetKey

if TYPE_CHECKING:
    from pytest_obsstack.embedded.prometheus.engine.query import QueryOptions
    from pytest_obsstack.embedded.prometheus.rules.manager import RuleManager

VERSION = "3.5.0+obsstack.embedded"
_MAX_AHEAD_MS = 10 * 60 * 1000
_TRIM_EVERY_MS = 60 * 1000
# Prometheus deletes by the block, so its samples too live longer than the retention says.
_RETENTION_SLACK = 1.5
_NO_RULES = {"rules": 0, "alerts": {"pending": 0, "firing": 0}, "alertmanagers": []}
_MESSAGE_V2 = "io.prometheus.write.v2.Request"


class _OnFirstRequest:
    """An app that is made when it is first asked.

    To load grammar and engine takes longer than all else at the start, and nobody waits for them
    before the first query.
    """

    def __init__(self, make: Callable[[], ASGIApp]) -> None:
        self._make = make
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is None:
            self._app = self._make()
        await self._app(scope, receive, send)


class PrometheusServer:
    """Implements ``embedded.product.Product``. What is stored survives ``stop`` and ``start``."""

    name = "prometheus"
    version = VERSION

    def __init__(
        self,
        settings: PrometheusSettings,
        journal: Journal,
        *,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._settings = settings
        self._journal = journal
        self._clock_ns = clock_ns
        self._trimmed_ms = 0
        self._written: dict[TargetKey, ScrapeResult] = {}
        self._unwritten: dict[TargetKey, ScrapeResult] = {}
        self.store = SeriesStore(settings.max_series, settings.max_exemplars)
        self._scrapes = ScrapeManager(self._scraped, self._retire, clock_ns)
        self._scrapes.add(
            {TargetKey.of(c, address): c for c in settings.scrape_configs for address in c.targets}
        )
        self._started_ns = clock_ns()
        self._started = False
        self._rules: RuleManager | None = None
        self.app: ASGIApp = Starlette(
            routes=[
                Route("/api/v1/write", self._write, methods=["POST"]),
                *_management_routes(),
                Mount("/", _OnFirstRequest(self._query_api)),
            ]
        )

    def _query_api(self) -> ASGIApp:
        from pytest_obsstack.embedded.prometheus.api import QueryApi, page_not_found
        from pytest_obsstack.embedded.prometheus.rules.api import RuleApi
        from pytest_obsstack.embedded.prometheus.target_api import TargetApi

        return Starlette(
            routes=[
                *QueryApi(self.store, self._query_options(), self._now_ms).routes(),
                *RuleApi(self._rule_manager()).routes(),
                *TargetApi(self._scrapes, VERSION, self._started_ns).routes(),
            ],
            exception_handlers={404: page_not_found},
        )

    def _query_options(self) -> QueryOptions:
        from pytest_obsstack.embedded.prometheus.engine.query import QueryOptions

        settings = self._settings
        return QueryOptions(
            lookback_ms=round(settings.lookback_delta_s * 1000),
            default_step_ms=round(settings.evaluation_interval_s * 1000),
            timeout_s=settings.query_timeout_s,
            max_samples=settings.max_samples_per_query,
        )

    def _rule_manager(self) -> RuleManager:
        """Made at its first use: a server without rules starts without grammar and engine."""
        if self._rules is None:
            from pytest_obsstack.embedded.prometheus.rules.manager import RuleManager

            self._rules = RuleManager(self.store, self._clock_ns)
        return self._rules

    # Life

    def replay(self, entry: JournalEntry) -> None:
        self._apply(entry)

    async def start(self) -> None:
        self._started = True
        self._scrapes.start()
        if self._rules is not None or self._settings.rule_groups:
            manager = self._rule_manager()
            await manager.configure(self._settings, self._query_options())
            manager.start()

    async def stop(self) -> None:
        self._started = False
        if self._rules is not None:
            await self._rules.stop()
        await self._scrapes.stop()
        for key in list(self._unwritten):
            self._write_rest(key)

    async def configure(self, settings: PrometheusSettings) -> None:
        """Scrape and evaluate rules by other settings from now on; limits and delays stay.

        Where the server is stopped it does so from its next start on.
        """
        self._settings = replace(
            self._settings,
            scrape_configs=settings.scrape_configs,
            evaluation_interval_s=settings.evaluation_interval_s,
            rule_groups=settings.rule_groups,
            alertmanagers=settings.alertmanagers,
            alertmanager_timeout_s=settings.alertmanager_timeout_s,
            resend_delay_s=settings.resend_delay_s,
            external_labels=settings.external_labels,
            external_url=settings.external_url,
        )
        await self._scrapes.configure(settings.scrape_configs)
        if self._rules is None and not (settings.rule_groups or settings.alertmanagers):
            return
        manager = self._rule_manager()
        await manager.configure(self._settings, self._query_options())
        if self._started:
            manager.start()

    async def scrape_now(self, job: str | None = None) -> list[ScrapeReport]:
        """Scrape all targets (or those of one job) and return when the samples are stored.

        Each scrape begins after this call; concurrent calls share one where that holds for both.
        """
        return await self._scrapes.scrape_now(job)

    def evaluate_now(self) -> int:
        """Evaluate all rules once, beside their own intervals; how many there are."""
        return 0 if self._rules is None else self._rules.evaluate_all()

    def status(self) -> dict[str, Any]:
        targets = [loop.target for loop in self._scrapes.loops]
        return {
            "series": len(self.store),
            "exemplars": self.store.exemplar_count,
            "retention_s": self._settings.retention_s,
            "targets": [
                {
                    "job": target.key.job,
                    "url": target.key.url,
                    "health": target.health,
                    "last_error": target.last_error,
                }
                for target in targets
            ],
            **(_NO_RULES if self._rules is None else self._rules.status()),
        }

    def _now_ms(self) -> int:
        return self._clock_ns() // 10**6

    # What is accepted

    def _apply(self, entry: JournalEntry) -> None:
        if entry.kind == "remote_write":
            limit = self._settings.max_body_bytes
            self._store_series(decode(unpack(entry.payload, limit)))
        else:
            target = self._scrapes.target(TargetKey.from_json(entry.meta["target"]))
            target.apply(ScrapeResult(body=entry.payload, **entry.meta["result"]), self.store)
        self._trim(entry.received_ns // 10**6)

    def _trim(self, now_ms: int) -> None:
        if now_ms - self._trimmed_ms >= _TRIM_EVERY_MS:
            self._trimmed_ms = now_ms
            kept_ms = round(self._settings.retention_s * _RETENTION_SLACK * 1000)
            self.store.drop_before(now_ms - kept_ms)

    def _scraped(self, target: Target, result: ScrapeResult) -> None:
        if self._journalled_enough(target.key, result):
            self._unwritten[target.key] = result
            target.apply(result, self.store)
            self._trim(self._now_ms())
            return
        # What came before the change, so that the journal shows from what it changed.
        self._write_rest(target.key)
        self._apply(self._write_scrape(target.key, result))

    def _journalled_enough(self, key: TargetKey, result: ScrapeResult) -> bool:
        """Whether the journal can do without this scrape.

        Counters of an idle stack move with every scrape, if only those of the metric exports
        themselves: written each time, the journal would grow by megabytes a minute. So values
        alone are written now and then, and at the end; a change of health or of the series always.
        """
        written = self._written.get(key)
        if written is None or result.shape != written.shape:
            return False
        age_s = (result.timestamp_ms - written.timestamp_ms) / 1000
        return result.same_content(written) or age_s < self._settings.journal_interval_s

    def _write_rest(self, key: TargetKey) -> None:
        """Journal the newest scrape that was left out, if it says anything new."""
        result = self._unwritten.get(key)
        if result is not None and not result.same_content(self._written.get(key)):
            self._write_scrape(key, result)

    def _write_scrape(self, key: TargetKey, result: ScrapeResult) -> JournalEntry:
        self._written[key] = result
        self._unwritten.pop(key, None)
        facts = asdict(result)
        body = facts.pop("body")
        return self._journal.append("scrape", body, target=key.to_json(), result=facts)

    def _retire(self, target: Target) -> None:
        target.retire(self._now_ms(), self.store)

    def _store_series(self, written: list[WrittenSeries]) -> None:
        for series in written:
            if not series.valid:
                continue
            for timestamp_ms, value in series.samples:
                self.store.append(series.labels, timestamp_ms, value)
            for exemplar in series.exemplars:
                self.store.add_exemplar(series.labels, exemplar, exemplar.timestamp_ms or 0)

    # Remote write

    async def _write(self, request: Request) -> Response:
        media_type = request.headers.get("content-type", "application/x-protobuf")
        if media_type.partition(";")[0].strip() != "application/x-protobuf":
            expected = "expected application/x-protobuf as the first (media) part"
            return _text(415, f"{expected}, got {media_type} content-type")
        if _MESSAGE_V2 in media_type:
            return _text(415, unsupported_text("remote write 2.0"))
        encoding = request.headers.get("content-encoding", "snappy")
        if encoding.lower() != "snappy":
            refused = f"{encoding} encoding (compression) is not accepted by this server"
            return _text(415, f"{refused}; only snappy is acceptable")
        limit = self._settings.max_body_bytes
        try:
            body = await _packed_body(request, limit)
            written = decode(unpack(body, limit))
            self._check(written)
        except BodyTooLarge as error:
            return _text(error.status, str(error))
        except NativeHistogram:
            return _text(400, unsupported_text("native histograms in remote write"))
        except (RemoteWriteError, AppendError) as error:
            return _text(400, str(error))
        self._apply(self._journal.append("remote_write", body))
        return Response(status_code=204)

    def _check(self, written: list[WrittenSeries]) -> None:
        """Raises ``AppendError`` for the first sample that cannot be stored; then none is."""
        latest_ms = self._now_ms() + _MAX_AHEAD_MS
        for series in written:
            for timestamp_ms, value in series.samples if series.valid else ():
                if timestamp_ms > latest_ms:
                    raise AppendError("out of bounds: timestamp is too far in the future")
                self.store.check(series.labels, timestamp_ms, value)
        self.store.check_room(series.labels for series in written if series.valid)


async def _packed_body(request: Request, limit: int) -> bytes:
    """The body as it came: snappy's block format is not one of those of the shared reader."""
    chunks = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge(f"body of more than {limit} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _text(status: int, text: str) -> Response:
    return PlainTextResponse(text + "\n", status)


def _management_routes() -> list[Route]:
    async def ready(_: Request) -> Response:
        return _text(200, "Prometheus Server is Ready.")

    async def healthy(_: Request) -> Response:
        return _text(200, "Prometheus Server is Healthy.")

    async def lifecycle(_: Request) -> Response:
        # What Prometheus answers without --web.enable-lifecycle.
        return _text(403, "Lifecycle API is not enabled.")

    async def own_metrics(_: Request) -> Response:
        return _text(501, unsupported_text("metrics of the server itself"))

    async def start_page(_: Request) -> Response:
        return _text(200, f"Prometheus {VERSION}. {unsupported_text('the web interface')}")

    return [
        Route("/-/ready", ready),
        Route("/-/healthy", healthy),
        Route("/-/reload", lifecycle, methods=["POST", "PUT"]),
        Route("/-/quit", lifecycle, methods=["POST", "PUT"]),
        Route("/metrics", own_metrics),
        Route("/", start_page),
    ]
