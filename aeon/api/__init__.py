"""REST: one table of routes, thin handlers (parse, use case, encode), and their description."""
