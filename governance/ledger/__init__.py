"""What is remembered: a hash-chained ledger and, in the same transactions, the state it speaks about."""
