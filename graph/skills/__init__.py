"""A skill's ten steps as a graph, and what drives its runs."""
