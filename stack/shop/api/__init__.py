"""The api: catalogue, orders, export."""
