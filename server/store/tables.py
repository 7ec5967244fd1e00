"""The tables as this version knows them. A change here needs a migration: `migrations/`."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

conversations: Final = Table(
    "conversations",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("owner", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("named_by", Text, nullable=False),
    Column("pinned", Boolean, nullable=False),
    Column("model", Text, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("leaf_id", String(32)),
    Column("create_time", Double, nullable=False),
    Column("update_time", Double, nullable=False),
    Index(None, "owner", "pinned", "update_time", "id"),
)

# `parent_id` has no foreign key: a tree is only ever deleted whole, with its conversation.
messages: Final = Table(
    "messages",
    metadata,
    # Grows with every message, so it tells older from newer where two have the same time.
    Column("number", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("owner", Text, nullable=False),
    Column(
        "conversation_id",
        String(32),
        ForeignKey("conversations.id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("parent_id", String(32)),
    Column("chat_type", Text, nullable=False),
    Column("query", Text, nullable=False),
    Column("response", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("error", JSON(none_as_null=True)),
    Column("usage", JSON(none_as_null=True)),
    Column("finish_reason", Text),
    Column("left_out", JSON(none_as_null=True)),
    Column("first_token_s", Double),
    Column("duration_s", Double),
    Column("create_time", Double, nullable=False),
    Column("key", Text),
    Column("fingerprint", Text, nullable=False),
    UniqueConstraint("owner", "key"),
    Index(None, "conversation_id", "parent_id"),
    Index(
        "ix_messages_running",
        "conversation_id",
        sqlite_where=text("status = 'running'"),
        postgresql_where=text("status = 'running'"),
    ),
)
