"""Orders in minor units with their tax rate. Not released: neither v1 nor v2 of the api knows the new column.

Renames a column that is in use and computes the rate of every order there is. Runs in small committed pieces, because
one transaction over the whole table would hold its lock for as long as the backfill takes; the price is that it can
stop half way. It therefore records its revision before it begins, and its downgrade repairs any state it may have left.

Revision ID: 0004
"""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Rename, add, backfill: each committed on its own."""
    with op.get_context().autocommit_block():
        op.execute("UPDATE alembic_version SET version_num = '0004'")
        op.execute("ALTER TABLE orders RENAME COLUMN total_cents TO amount_minor")
        op.execute("ALTER TABLE orders ADD COLUMN tax_rate numeric(5, 4)")
        op.execute("UPDATE orders SET tax_rate = tax_cents::numeric / net_cents")
        op.execute("ALTER TABLE orders ALTER COLUMN tax_rate SET NOT NULL")
        # Alembic itself moves the mark once the migration is through.
        op.execute("UPDATE alembic_version SET version_num = '0003'")


def downgrade() -> None:
    """Back to 0003 from any state between. May be repeated."""
    op.execute(
        """
        DO $$
        BEGIN
            IF EXISTS (SELECT FROM information_schema.columns WHERE table_schema = 'public'
                       AND table_name = 'orders' AND column_name = 'amount_minor') THEN
                ALTER TABLE orders RENAME COLUMN amount_minor TO total_cents;
            END IF;
            ALTER TABLE orders DROP COLUMN IF EXISTS tax_rate;
        END $$
        """
    )
