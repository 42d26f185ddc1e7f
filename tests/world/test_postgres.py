"""The PostgreSQL of the tests is a real one, and leaves nothing behind."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy

from .postgres import PostgresServer


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


def test_it_keeps_rows_for_two_connections_at_once(postgres: PostgresServer) -> None:
    with psycopg.connect(postgres.dsn) as first, psycopg.connect(postgres.dsn) as second:
        first.execute("CREATE TABLE trials (number int, value float8)")
        first.execute("INSERT INTO trials VALUES (1, 0.83), (2, 0.79)")
        first.commit()
        assert second.execute("SELECT value FROM trials ORDER BY number").fetchall() == [(0.83,), (0.79,)]


def test_sqlalchemy_takes_the_url(postgres: PostgresServer) -> None:
    engine = sqlalchemy.create_engine(postgres.url)
    with engine.connect() as one, engine.connect() as other:
        backends = {connection.scalar(sqlalchemy.text("SELECT pg_backend_pid()")) for connection in (one, other)}
    engine.dispose()
    assert len(backends) == 2


def test_it_wants_the_password(postgres: PostgresServer) -> None:
    account, _, place = postgres.dsn.rpartition("@")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(f"{account}x@{place}")


def test_it_is_gone_when_the_test_fails() -> None:
    server = PostgresServer()
    with pytest.raises(ZeroDivisionError), server:
        with psycopg.connect(server.dsn) as connection:
            (data,) = connection.execute("SHOW data_directory").fetchone() or ("",)
        assert Path(data).is_dir()
        raise ZeroDivisionError
    assert not Path(data).parent.exists()
    with pytest.raises(psycopg.OperationalError, match="refused"):
        psycopg.connect(server.dsn)


def test_a_server_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch, postgres: PostgresServer) -> None:
    taken = int(postgres.dsn.rpartition(":")[2].partition("/")[0])
    monkeypatch.setattr("tests.world.postgres._free_port", lambda: taken)
    with pytest.raises(RuntimeError, match="Address already in use"):
        PostgresServer().start()


def test_a_machine_without_postgresql_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("tests.world.postgres._INSTALLED", tmp_path)
    with pytest.raises(FileNotFoundError, match="apt-get install postgresql"):
        PostgresServer().start()
