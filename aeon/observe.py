"""Logs: structured, one line an event, to standard error.

What is never logged: init data, tokens, query strings, message text, titles, names. Events are
named in the past tense with underscores; what they are about goes into fields (ids, counts,
durations with their unit in the name). Every line that belongs to a request carries its
``request_id``, from the edge over the actor to the commit (``request_ids`` where one line is
about several); at DEBUG each of the three writes a line for it. Tracebacks come without the
values of variables, which hold all of these; tests/e2e/test_log.py reads a whole log for them.
"""

from __future__ import annotations

import logging
import sys
from functools import partial
from typing import Final

import structlog

from actors.runtime import current_trace_id
from aeon import request_ids
from aeon.config import Settings

OWN_PACKAGES: Final = ("aeon", "actors", "storage")
"""They follow LOG_LEVEL; libraries are heard from WARNING on."""


def configure_logging(
    settings: Settings, *, level: int | None = None, worker: int | None = None
) -> None:
    """Set up logging for the process, libraries included.

    ``LOG_FORMAT``: ``json``, ``console``, or ``auto`` (console on a terminal, else JSON). Several
    workers write to the same place: every line of one says its number.
    """
    if level is None:
        level = logging.getLevelNamesMapping()[settings.log_level]
    shared: list[structlog.typing.Processor] = [
        _add_request_id,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if worker is not None:
        shared.append(partial(_add_worker, worker))
    if _wants_console(settings):
        renderer: list[structlog.typing.Processor] = [
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        ]
    else:
        renderer = [
            structlog.processors.ExceptionRenderer(
                structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
            ),
            structlog.processors.JSONRenderer(),
        ]
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # One write a line, also to an unbuffered stream: lines of several workers never mix.
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                *shared,
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(),
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *renderer,
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)
    for package in OWN_PACKAGES:
        logging.getLogger(package).setLevel(level)


def _add_request_id(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Say whose request it was, at the edge and in the actor that carries it out."""
    found = request_ids.current() or current_trace_id()
    if found is not None:
        event.setdefault("request_id", found)
    return event


def _add_worker(
    worker: int, _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    event.setdefault("worker", worker)
    return event


def _wants_console(settings: Settings) -> bool:
    if settings.log_format == "auto":
        return sys.stderr.isatty()
    return settings.log_format == "console"
