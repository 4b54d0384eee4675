"""Where Dagster keeps its own records: the schema `dagster` of the database that holds the responses."""

from urllib.parse import parse_qsl, quote, urlencode

import psycopg

from collect_pipelines.errors import Unavailable

__all__ = ["DAGSTER_SCHEMA", "DAGSTER_URL_VARIABLE", "create_dagster_schema", "dagster_url"]

DAGSTER_URL_VARIABLE = "COLLECT_DAGSTER_URL"
"""The environment variable that dagster.yaml reads."""

DAGSTER_SCHEMA = "dagster"
CONNECT_SECONDS = 5

# SQLAlchemy 2.1 takes psycopg 3 for a plain postgresql:// URL, and dagster-postgres 0.29 can't write an event through it.
SCHEME = "postgresql+psycopg2"


def dagster_url(database_url: str) -> str:
    """The value of `COLLECT_DAGSTER_URL` for this database. It holds the password: give it to a process, never to a log."""
    place, _, query = database_url.partition("://")[2].partition("?")
    values = dict(parse_qsl(query, keep_blank_values=True))
    values["options"] = f"{values.get('options', '')} -csearch_path={DAGSTER_SCHEMA}".strip()
    return f"{SCHEME}://{place}?{urlencode(values, quote_via=quote, safe='/')}"


def create_dagster_schema(database_url: str) -> None:
    """Makes the schema when it is missing; Dagster makes its tables itself. Raises Unavailable."""
    try:
        with psycopg.connect(database_url, autocommit=True, connect_timeout=CONNECT_SECONDS) as connection:
            connection.execute(f"create schema if not exists {DAGSTER_SCHEMA}")
    except psycopg.errors.UniqueViolation:
        return  # two processes started at once, and the other one was first
    except psycopg.Error as exc:
        raise Unavailable(
            "The schema for Dagster can't be made.",
            fix="Check that Postgres runs and that the user of COLLECT_DATABASE_URL may create schemas in the database.",
        ) from exc
