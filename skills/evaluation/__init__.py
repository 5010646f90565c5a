"""What skills are worth: tasks with traps, simple methods on the same tasks, and one score for all."""
