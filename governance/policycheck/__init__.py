"""The static check of policies: rules that do nothing, contradict each other, cannot match, or cannot be told."""
