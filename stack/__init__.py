"""The patient: a small real stack to break and mend. Imports nothing of Firebreak."""
