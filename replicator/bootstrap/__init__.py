"""What runs before anything is installed: decide, workflow commands, redaction, installation.

Standard library only, and Python 3.8, because the machine's own `python3` runs it.
"""
