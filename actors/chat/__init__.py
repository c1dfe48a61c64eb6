"""The chat actor: one owner task for each active chat of this node."""
