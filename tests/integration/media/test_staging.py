"""The directory where files wait: made at the start, or refused with the setting's name."""

from pathlib import Path

import pytest

from aeon.media.errors import StoreRefused
from aeon.media.staging import StagingArea


async def test_the_directory_is_made(tmp_path: Path) -> None:
    await StagingArea(tmp_path / "uploads" / "incoming").check()

    assert (tmp_path / "uploads" / "incoming").is_dir()


async def test_a_place_where_no_directory_can_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "uploads").write_text("a file")

    with pytest.raises(StoreRefused, match="UPLOAD_DIR"):
        await StagingArea(tmp_path / "uploads" / "incoming").check()
