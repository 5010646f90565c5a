"""From a contract to a rollout that is watched: stages through the guard, judged, and taken back when a term is broken."""
