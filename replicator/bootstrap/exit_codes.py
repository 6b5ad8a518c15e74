"""Numbers the exit codes of every command; `core.errors.ExitCode` is what installed code uses."""

DONE = 0
FAILED = 1
BAD_SETTINGS = 2
SETUP = 3
UNREACHABLE = 4
SIGNATURE_WRONG = 5
DEFECT = 70
SIGINT = 130
SIGTERM = 143
