"""The first data of the shop."""

from __future__ import annotations

import psycopg

HISTORY_ROWS = 40_000

PRODUCTS = (
    (1, "Lighthouse Espresso", 1290, 18, "Cocoa, toasted hazelnut, a long finish."),
    (2, "Harbour Filter", 1150, 28, "Bright and clean, with red apple."),
    (3, "Night Shift", 1390, 350, "Dark roast for small hours."),
    (4, "Sunday Decaf", 1240, 40, "All of the taste, none of the rush."),
    (5, "Yirgacheffe Natural", 1690, 330, "Blueberry, jasmine, honey."),
    (6, "Huila Washed", 1450, 12, "Caramel and a little lime."),
    (7, "Cascara Tea", 980, 5, "The coffee cherry, dried."),
    (8, "Old Oak Blend", 1190, 24, "Barrel-aged, faintly of vanilla."),
    (9, "Ember Cold Brew", 890, 200, "Steeped for eighteen hours."),
    (10, "Kenya AA", 1750, 355, "Blackcurrant and grapefruit."),
    (11, "Sumatra Mandheling", 1490, 95, "Cedar, spice, low acidity."),
    (12, "Tasting Box", 2490, 265, "Four small bags to find your own."),
)


def sow(conn: psycopg.Connection) -> None:
    """Fill an empty schema of revision 0003. Does nothing when there are products."""
    found = conn.execute("SELECT count(*) FROM products").fetchone()
    if found and found[0]:
        return
    with conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO products (id, name, price_cents, hue, blurb) VALUES (%s, %s, %s, %s, %s)", PRODUCTS
        )
    conn.execute("INSERT INTO stock SELECT id, 100000 FROM products")
    conn.execute(
        """
        INSERT INTO price_history (product_id, recorded_at, price_cents, note)
        SELECT 1 + i %% 12, now() - make_interval(mins => i), 800 + (i * 37) %% 900,
               'Market close, lot ' || md5(i::text) || ', cupping ' || md5((i * 7)::text) || md5((i * 13)::text)
        FROM generate_series(1, %s) AS i
        """,
        (HISTORY_ROWS,),
    )
    # Orders of the past; the samples given away free are real shops' everyday and every ratio's trap.
    conn.execute(
        """
        INSERT INTO orders (id, customer, net_cents, tax_cents, total_cents, status, created_at)
        SELECT gen_random_uuid(), 'regular-' || i, net, round(net * 0.19), net + round(net * 0.19), 'fulfilled',
               now() - make_interval(hours => i)
        FROM (SELECT i, CASE WHEN i % 50 = 0 THEN 0 ELSE 1000 + (i * 131) % 4000 END AS net
              FROM generate_series(1, 400) AS i) AS past
        """
    )
    conn.execute(
        """
        INSERT INTO order_items (order_id, product_id, quantity, price_cents)
        SELECT id, 1 + (extract(epoch FROM created_at)::bigint / 3600) % 12, 1, net_cents FROM orders
        """
    )
