"""What the words mean: frozen values and the ports that several floors share. No I/O; imports nothing of ours."""
