"""Mutation runs: seeded faults that the tests have to notice. Not part of the test run."""
