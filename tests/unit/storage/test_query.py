"""Statements as text."""

from __future__ import annotations

import pytest
from sqlalchemy import ARRAY, BigInteger, any_, bindparam, func, select, update

from storage.query import PositionalText, Query
from storage.tables import users


def test_a_construct_is_compiled_once_for_the_server() -> None:
    query = Query(select(users.c.id).where(users.c.id == bindparam("user_id")))
    assert query.text.sql.endswith(b"WHERE users.id = $1::BIGINT")
    assert query.arguments({"user_id": 5}) == [5]


def test_a_name_used_twice_is_sent_once() -> None:
    query = Query("SELECT %(b)s, %(a)s, %(b)s")
    assert query.text.sql == b"SELECT $1, $2, $1"
    assert query.arguments({"a": 1, "b": 2, "unused": 3}) == [2, 1]


def test_values_inside_a_construct_are_defaults() -> None:
    query = Query(select(users.c.id).where(users.c.language_code == "en").limit(bindparam("n")))
    assert query.arguments({"n": 3}) == ["en", 3]


def test_a_missing_value_is_named() -> None:
    with pytest.raises(KeyError, match="user_id"):
        Query("SELECT %(user_id)s").arguments({})


def test_percent_signs() -> None:
    assert PositionalText("SELECT 5 %% 3, 'a%%'").sql == b"SELECT 5 % 3, 'a%'"
    for wrong in ("SELECT %s", "SELECT 5 % 3", "LIKE 'a%", "SELECT %(a)d"):
        with pytest.raises(ValueError, match="understood"):
            PositionalText(wrong)


def test_a_list_that_expands_is_refused() -> None:
    with pytest.raises(ValueError, match="any_"):
        Query(select(users.c.id).where(users.c.id.in_(bindparam("ids", expanding=True))))
    Query(select(users.c.id).where(users.c.id == any_(bindparam("ids", type_=ARRAY(BigInteger)))))


def test_each_query_is_a_prepared_statement_of_its_own() -> None:
    assert Query("SELECT 1").name != Query("SELECT 1").name


@pytest.mark.parametrize(
    ("sql", "may_write"),
    [
        ("SELECT 1", False),
        ("  with a AS (SELECT 1) SELECT * FROM a", False),
        ("WITH a AS (INSERT INTO t VALUES (1) RETURNING 1) SELECT * FROM a", True),
        ("insert into t values (1)", True),
        ("SELECT updated_at FROM t", False),
        ("CREATE TABLE t ()", True),
        ("CALL anything()", True),
    ],
)
def test_what_may_write(sql: str, may_write: bool) -> None:
    assert PositionalText(sql).may_write is may_write


def test_a_core_update_may_write() -> None:
    assert Query(update(users).values(updated_at=func.now())).text.may_write
