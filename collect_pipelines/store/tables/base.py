"""What all tables share: the schema, names of constraints, and the few column shapes that repeat."""

from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Column, Identity, MetaData, text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

__all__ = ["SCHEMA", "document", "identity", "metadata", "moment", "one_of"]

SCHEMA = "collect"

# Constraints need names that a later migration can refer to, whatever database made them.
NAMES = {
    "ix": "%(table_name)s_%(column_0_N_name)s_ix",
    "uq": "%(table_name)s_%(column_0_N_name)s_uq",
    "ck": "%(table_name)s_%(constraint_name)s_ck",
    "fk": "%(table_name)s_%(column_0_N_name)s_fk",
    "pk": "%(table_name)s_pk",
}

metadata = MetaData(schema=SCHEMA, naming_convention=NAMES)


def identity(name: str) -> Column[int]:
    """A number given by Postgres; the table's primary key."""
    return Column(name, BigInteger, Identity(always=True), primary_key=True)


def moment(name: str, *, default: bool = False, nullable: bool = True) -> Column[Any]:
    """A point in time with zone; `default` fills in the moment of the insert by Postgres's clock."""
    if default:
        return Column(name, TIMESTAMP(timezone=True), nullable=False, server_default=text("clock_timestamp()"))
    return Column(name, TIMESTAMP(timezone=True), nullable=nullable)


def document(name: str) -> Column[Any]:
    """A JSON object, empty unless given."""
    return Column(name, JSONB, nullable=False, server_default=text("'{}'::jsonb"))


def one_of(column: str, *values: str) -> CheckConstraint:
    """The column holds one of these words."""
    return CheckConstraint(f"{column} in ({', '.join(repr(value) for value in values)})", name=column)
