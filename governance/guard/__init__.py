"""The one door: ordered wrappers over an Executor, its HTTP server and its HTTP client."""
