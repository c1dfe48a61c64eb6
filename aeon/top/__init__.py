"""``aeon top``: what a node's actors do, live in a terminal."""
