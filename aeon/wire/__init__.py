"""The only place that knows JSON: pydantic models in, encoded bytes out."""
