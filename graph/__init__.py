"""The introductions: the state graph, its nodes and routing, and what is bound to it. langgraph is imported nowhere else."""
