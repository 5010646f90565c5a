"""Products, stock, orders.

Revision ID: 0001
"""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.execute(
        """
        CREATE TABLE products (
            id integer PRIMARY KEY,
            name text NOT NULL,
            price_cents integer NOT NULL CHECK (price_cents >= 0)
        );
        CREATE TABLE stock (
            product_id integer PRIMARY KEY REFERENCES products (id),
            on_hand integer NOT NULL
        );
        CREATE TABLE orders (
            id uuid PRIMARY KEY,
            customer text NOT NULL,
            total_cents integer NOT NULL,
            status text NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now()
        );
        CREATE INDEX orders_pending ON orders (created_at) WHERE status = 'pending';
        CREATE TABLE order_items (
            id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            order_id uuid NOT NULL REFERENCES orders (id),
            product_id integer NOT NULL REFERENCES products (id),
            quantity integer NOT NULL CHECK (quantity > 0),
            price_cents integer NOT NULL
        );
        CREATE INDEX order_items_order ON order_items (order_id);
        """
    )


def downgrade() -> None:
    """Drop them."""
    op.execute("DROP TABLE order_items, orders, stock, products")
