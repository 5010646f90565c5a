"""What leaves the house by itself: integration events from the ledger, and webhooks that carry events away."""
