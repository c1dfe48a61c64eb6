"""Files people send: told apart by content, kept once, handed out by signed links.

``depot`` is the way in and out; ``store`` is the port behind it. Nothing here knows chats: who may
see a file is decided where a message is shown, by handing out a link or not.
"""
