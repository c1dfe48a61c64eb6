"""The media bench at a tiny size: that it runs, not how fast."""

from pathlib import Path

from aeon.bench import media


async def test_it_measures_every_way(database_url: str, tmp_path: Path) -> None:
    media.REPEATS.update({"1 KB": 3, "1 MB": 2})
    figures = await media.run(tmp_path, database_url, quick=True)

    assert [one.size for one in figures.sizes] == ["1 KB", "1 MB"]
    for one in figures.sizes:
        assert min(one.upload, one.discard, one.download, one.copy) > 0
    assert figures.parallel_upload > 0
    assert figures.idle_mb > 10
