"""Actions on a cluster's workloads, configuration, network paths and permissions, each dry run by the API server."""
