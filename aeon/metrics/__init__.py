"""``/metrics``: what operators measure, in Prometheus' text form.

Parts count for themselves, in plain numbers; a scrape reads them once and writes them down.
Labels are routes, methods, statuses, kinds and codes, never a person, a chat or an address.
``README.md`` beside this file lists every family.
"""

from aeon.metrics.endpoint import PATH, add_route, register

__all__ = ["PATH", "add_route", "register"]
