"""How Alembic reaches the database: each migration in a transaction of its own."""

from alembic import context
from sqlalchemy import create_engine, pool


def run() -> None:
    """Connect with the DSN that the caller put into the configuration."""
    import psycopg

    dsn = context.config.attributes["dsn"]
    engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(dsn), poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()


run()
