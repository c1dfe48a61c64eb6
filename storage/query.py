"""Statements as text: SQLAlchemy Core compiled once at import, or SQL written by hand.

Compiling a construct costs twice what running it does, so it happens once, when a module that owns
a ``Query`` is imported. What is left at run time is one dictionary look-up per parameter.

Parameters are written ``%(name)s``; a literal per cent sign is ``%%``, as in psycopg. Values bound
inside the construct (``limit(50)``) travel as defaults.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Mapping
from typing import Final

from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.sql.elements import ClauseElement

_dialect: Final = psycopg.dialect()  # type: ignore[no-untyped-call] # SQLAlchemy leaves it untyped
_placeholder: Final = re.compile(r"%(?:\((?P<name>\w+)\)s|(?P<literal>%)|(?P<wrong>.?))", re.DOTALL)
_reading: Final = re.compile(r"\s*(?:SELECT|WITH|VALUES|TABLE|SHOW|EXPLAIN)\b", re.IGNORECASE)
_writing: Final = re.compile(r"\b(?:INSERT|UPDATE|DELETE|MERGE)\b", re.IGNORECASE)
_numbers: Final = itertools.count(1)


class Query:
    """A statement of ours, prepared on each connection at its first use.

    Make them at module level: every instance is one prepared statement per connection.
    """

    __slots__ = ("_defaults", "name", "sql", "text")

    sql: str
    """The statement with ``%(name)s`` placeholders."""
    text: PositionalText
    name: bytes
    """Name of the prepared statement."""

    def __init__(self, statement: ClauseElement | str) -> None:
        """Compile a statement.

        Raises:
            ValueError: a list that expands at run time (``in_``), or a placeholder psycopg would
                refuse. Compare with ``any_(bindparam(..., type_=ARRAY(...)))`` instead.
        """
        self._defaults: Mapping[str, object] = {}
        if isinstance(statement, str):
            self.sql = statement
        else:
            compiled = statement.compile(dialect=_dialect)
            self.sql = str(compiled)
            if "POSTCOMPILE" in self.sql:
                raise ValueError(f"expands at run time; compare with any_() instead: {self.sql}")
            self._defaults = {
                name: value for name, value in compiled.params.items() if value is not None
            }
        self.text = PositionalText(self.sql)
        self.name = b"aeon_%d" % next(_numbers)

    def arguments(self, params: Mapping[str, object]) -> list[object]:
        """Values in the order of the server's ``$1, $2...``; KeyError names a missing one."""
        names = self.text.names
        if not self._defaults:
            return [params[name] for name in names]
        defaults = self._defaults
        return [params[name] if name in params else defaults[name] for name in names]

    def __repr__(self) -> str:
        return f"<Query {self.name.decode()} {self.sql!r}>"


class PositionalText:
    """SQL as PostgreSQL reads it, ``$1`` for the first name, and those names in order."""

    __slots__ = ("may_write", "names", "sql")

    sql: bytes
    names: tuple[str, ...]
    may_write: bool
    """False only for what certainly reads."""

    def __init__(self, sql: str) -> None:
        positions: dict[str, int] = {}

        def replace(match: re.Match[str]) -> str:
            if match["literal"]:
                return "%"
            if match["name"] is None:
                raise ValueError(f"only %(name)s and %% are understood, not %{match['wrong']}")
            return f"${positions.setdefault(match['name'], len(positions) + 1)}"

        self.sql = _placeholder.sub(replace, sql).encode()
        self.names = tuple(positions)
        self.may_write = _reading.match(sql) is None or _writing.search(sql) is not None


@functools.lru_cache(maxsize=256)
def positional(sql: str) -> PositionalText:
    """The cached positional form of SQL that no ``Query`` owns."""
    return PositionalText(sql)
