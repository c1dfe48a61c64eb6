"""Several nodes of our own under faults: what ``aeon load check`` starts, breaks and verifies."""
