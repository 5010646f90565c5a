"""What products cost in the past.

Revision ID: 0002
"""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table that the export reads."""
    op.execute(
        """
        CREATE TABLE price_history (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            product_id integer NOT NULL REFERENCES products (id),
            recorded_at timestamptz NOT NULL,
            price_cents integer NOT NULL,
            note text NOT NULL
        )
        """
    )


def downgrade() -> None:
    """Drop it."""
    op.execute("DROP TABLE price_history")
