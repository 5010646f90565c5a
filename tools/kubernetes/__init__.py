"""One namespace of a cluster: read, changed and dry run through the Kubernetes API."""
