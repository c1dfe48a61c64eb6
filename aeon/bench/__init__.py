"""Benchmarks of the parts, each printing a table or JSON."""
