"""The incident records: deliveries, receipts, projections of runs, events."""
