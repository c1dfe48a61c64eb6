"""What Aeon knows of Telegram: the init data that people log in with."""
