"""One file per fault: what is wrong, how it is made, proven and taken back."""
