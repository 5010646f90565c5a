"""Where procedures' commands run: here, on a host over SSH, against a cluster (domain.runner.Runner)."""
