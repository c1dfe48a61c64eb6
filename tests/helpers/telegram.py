"""Init data as Telegram would sign it, with a bot token that only tests know."""

import time

from aeon.telegram.init_data import sign

BOT_TOKEN = "4242424242:AAFakeFakeFakeFakeFakeFakeFakeFakeFake"


def init_data(
    user_id: int,
    first_name: str = "Anna",
    *,
    username: str | None = None,
    auth_date: int | None = None,
    bot_token: str = BOT_TOKEN,
) -> str:
    user: dict[str, object] = {"id": user_id, "first_name": first_name}
    if username is not None:
        user["username"] = username
    return sign(bot_token, user=user, auth_date=auth_date or int(time.time()))
