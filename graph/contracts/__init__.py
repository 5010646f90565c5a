"""Deployment contracts in the app: rollouts that are watched."""
