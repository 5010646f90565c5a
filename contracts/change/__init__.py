"""What a commit range changes: read from its diff, file by file, with the lines that show it."""
