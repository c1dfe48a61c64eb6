"""The forms of DATABASE_URL that work."""

from __future__ import annotations

import pytest
from psycopg.conninfo import conninfo_to_dict

from storage.database import libpq_url


@pytest.mark.parametrize(
    "url",
    [
        "postgres://me:se%40cret@db.example:5433/aeon?sslmode=require",
        "postgresql://me:se%40cret@db.example:5433/aeon?sslmode=require",
        "postgresql+psycopg://me:se%40cret@db.example:5433/aeon?sslmode=require",
        "postgresql+asyncpg://me:se%40cret@db.example:5433/aeon?ssl=require",
    ],
)
def test_over_the_network(url: str) -> None:
    assert conninfo_to_dict(libpq_url(url)) == {
        "user": "me",
        "password": "se@cret",
        "host": "db.example",
        "port": "5433",
        "dbname": "aeon",
        "sslmode": "require",
    }


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:///aeon?host=/run/pg&port=5432&user=me",
        "postgresql+asyncpg://me@/aeon?host=/run/pg&port=5432",
        "postgres://me@/aeon?host=%2Frun%2Fpg&port=5432",
        "postgres://me@%2Frun%2Fpg:5432/aeon",
    ],
)
def test_over_a_socket(url: str) -> None:
    assert conninfo_to_dict(libpq_url(url)) == {
        "user": "me",
        "host": "/run/pg",
        "port": "5432",
        "dbname": "aeon",
    }


def test_several_hosts() -> None:
    params = conninfo_to_dict(libpq_url("postgres://a:1,b:2/aeon?target_session_attrs=read-write"))
    assert (params["host"], params["port"]) == ("a,b", "1,2")


@pytest.mark.parametrize("url", ["", "mysql://me:secret@db/aeon", "sqlite:///secret.db", "secret"])
def test_another_database_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(ValueError, match="DATABASE_URL") as caught:
        libpq_url(url)
    assert "secret" not in str(caught.value)


def test_an_unknown_option_is_refused_without_quoting_it() -> None:
    with pytest.raises(ValueError, match="DATABASE_URL") as caught:
        libpq_url("postgres://me:secret@db/aeon?no_such_option=1")
    assert "secret" not in str(caught.value)
    assert "no_such_option" in str(caught.value)
