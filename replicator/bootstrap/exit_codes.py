"""Numbers the exit codes: which kind of failure ends a run with which code."""

DONE = 0
FAILED = 1
BAD_SETTINGS = 2
SETUP = 3
UNREACHABLE = 4
SIGNATURE_WRONG = 5
DEFECT = 70
SIGINT = 130
SIGTERM = 143
