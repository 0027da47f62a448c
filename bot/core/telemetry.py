"""How Fettle speaks about itself: structlog, configured once by bot.cli, and the figures behind `/metrics`.

Events have dotted names with ids bound at the boundary. A value from outside cannot forge a line (control characters
are escaped) and a value under a secret's name is never printed.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

_SECRET = re.compile(r"token|secret|password|authorization|private_key|api_key|signature", re.IGNORECASE)
_NOT_SECRET = frozenset({"tokens", "max_tokens"})  # counts of a model's tokens
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_LONGEST = 2000
_QUIET = ("arq", "httpx", "httpcore", "aiosqlite", "alembic", "sqlalchemy", "LiteLLM", "uvicorn.access")

EventDict = MutableMapping[str, Any]


def configure(level: str = "INFO", form: str = "console", stream: TextIO | None = None) -> None:
    """Set up structlog and the standard library's logging: `form` is `console` or `json`, to `stream` (stderr)."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, clean, *_rendering(form)],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def _rendering(form: str) -> list[Any]:
    if form == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(sort_keys=True)]
    return [structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)]


def clean(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """A structlog processor: hide secrets by name, escape control characters, cut long values."""
    for name, value in event.items():
        if name != "exc_info":
            event[name] = _clean_value(name, value)
    return event


def _clean_value(name: str, value: Any) -> Any:
    if _SECRET.search(name) and name not in _NOT_SECRET:
        return "[hidden]"
    match value:
        case str():
            return one_line(value)
        case dict():
            return {str(key): _clean_value(str(key), inner) for key, inner in value.items()}
        case list() | tuple():
            return [_clean_value("", inner) for inner in value]
    return value


def one_line(text: str) -> str:
    """`text` on one printable line of at most 2000 characters: control characters and surrogates are escaped."""
    return _CONTROL.sub(lambda found: found.group().encode("unicode_escape").decode(), text[:_LONGEST])


class Metrics:
    """The figures that one process counts itself; a value that is made at start and passed in."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.deliveries = Counter(
            "fettle_deliveries",
            "Webhook deliveries by event and outcome.",
            ["event", "outcome"],
            registry=self.registry,
        )
        self.intake_seconds = Histogram(
            "fettle_intake_seconds",
            "Seconds from a delivery's first byte to its answer.",
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 1, 10),
            registry=self.registry,
        )


@dataclass(frozen=True, slots=True)
class StageSeconds:
    """One stage's durations: `buckets` are (upper bound as text, cumulative count) up to `+Inf`, `total` is seconds."""

    stage: str
    buckets: Sequence[tuple[str, int]]
    total: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What every process shares and a scrape reads anew; None: it could not be read, and the figure is left out."""

    runs: Mapping[str, int] | None = None
    queue_depth: int | None = None
    queue_seconds: float | None = None
    inbox: Mapping[str, int] | None = None
    inbox_seconds: float | None = None
    model_usd: float | None = None
    stages: Sequence[StageSeconds] = field(default=())


def exposition(metrics: Metrics, snapshot: Snapshot) -> bytes:
    """The Prometheus text of both."""
    shared = CollectorRegistry()
    shared.register(_Shared(snapshot))
    return generate_latest(metrics.registry) + generate_latest(shared)


class _Shared(Collector):
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        seen = self._snapshot
        yield from _by_label("fettle_runs", "Runs by state.", "state", seen.runs)
        yield from _by_label("fettle_inbox", "Stored deliveries by state.", "state", seen.inbox)
        yield from _one("fettle_queue_depth", "Jobs that wait or run.", seen.queue_depth)
        yield from _one("fettle_queue_age_seconds", "Seconds since the oldest waiting job was due.", seen.queue_seconds)
        yield from _one("fettle_inbox_age_seconds", "Seconds since the oldest undone delivery.", seen.inbox_seconds)
        if seen.model_usd is not None:
            yield CounterMetricFamily("fettle_model_cost_usd", "US dollars spent on models.", value=seen.model_usd)
        yield _stages(seen.stages)


def _by_label(name: str, help_: str, label: str, values: Mapping[str, int] | None) -> Iterator[Metric]:
    if values is not None:
        family = GaugeMetricFamily(name, help_, labels=[label])
        for key, value in values.items():
            family.add_metric([key], value)
        yield family


def _one(name: str, help_: str, value: float | None) -> Iterator[Metric]:
    if value is not None:
        yield GaugeMetricFamily(name, help_, value=value)


def _stages(stages: Sequence[StageSeconds]) -> Metric:
    family = HistogramMetricFamily("fettle_stage_seconds", "Seconds that a stage of a run took.", labels=["stage"])
    for stage in stages:
        family.add_metric([stage.stage], list(stage.buckets), stage.total)
    return family
