"""Tells what went wrong on the way to Google, and whose it is to mend: one table for answers, one for this machine."""
