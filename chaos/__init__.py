"""Breaking on purpose, and judging from outside whether the cure is one."""
