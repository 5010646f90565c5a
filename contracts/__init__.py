"""Deployment contracts: context, risk, terms, negotiation, the judge and the enforcement of a release (spec: contracts)."""
