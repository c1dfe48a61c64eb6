"""For operators: every live actor, what is stuck and why, and the node's own figures."""
