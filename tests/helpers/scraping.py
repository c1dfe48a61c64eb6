"""A scrape of ``/metrics``, parsed as Prometheus' own client library parses it."""

from __future__ import annotations

from dataclasses import dataclass

import httpx
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.helpers.clients import Server


@dataclass(frozen=True, slots=True)
class Scrape:
    """Every sample of one moment."""

    samples: tuple[Sample, ...]
    families: dict[str, str]
    """Name to type, as announced."""

    @classmethod
    async def of(cls, server: Server) -> Scrape:
        async with httpx.AsyncClient(base_url=server.url) as http:
            answer = await http.get("/metrics")
        assert answer.status_code == 200, answer.text
        return cls.parse(answer.text)

    @classmethod
    def parse(cls, text: str) -> Scrape:
        families = list(text_string_to_metric_families(text))
        return cls(
            samples=tuple(sample for family in families for sample in family.samples),
            families={family.name: family.type for family in families},
        )

    def value(self, name: str, **labels: str) -> float:
        """Sum up the samples of a name that carry these labels."""
        return sum(
            sample.value
            for sample in self.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def labels_of(self, name: str) -> set[str]:
        """Name the labels that samples of a name carry."""
        return {label for sample in self.samples if sample.name == name for label in sample.labels}
