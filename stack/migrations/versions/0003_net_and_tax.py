"""Orders know net and tax; products say how they look.

Revision ID: 0003
"""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the columns."""
    op.execute(
        """
        ALTER TABLE orders ADD COLUMN net_cents integer NOT NULL DEFAULT 0, ADD COLUMN tax_cents integer NOT NULL DEFAULT 0;
        ALTER TABLE products ADD COLUMN hue integer NOT NULL DEFAULT 20, ADD COLUMN blurb text NOT NULL DEFAULT '';
        """
    )


def downgrade() -> None:
    """Drop them."""
    op.execute(
        """
        ALTER TABLE orders DROP COLUMN net_cents, DROP COLUMN tax_cents;
        ALTER TABLE products DROP COLUMN hue, DROP COLUMN blurb;
        """
    )
