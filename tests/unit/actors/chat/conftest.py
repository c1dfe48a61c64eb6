"""The chats whose rules are tested."""

import pytest

from tests.helpers.chat_world import make_chat_world
from tests.helpers.fake_appender import FakeAppender


@pytest.fixture
async def world() -> FakeAppender:
    return await make_chat_world()
