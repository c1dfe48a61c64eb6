"""The user actor: one owner task for each connected person of this node."""
