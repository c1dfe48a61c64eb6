"""Handing frames out: who is connected on this node, and how frames reach them."""
