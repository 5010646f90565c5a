"""Trying out the way back of a contract before anybody signs it: there, back, and compared with before."""
