"""The hands: one file per action or family of actions; `catalogue` registers them."""
