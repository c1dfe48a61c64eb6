"""Several nodes: what of other nodes' commits concerns the people connected to this one."""
