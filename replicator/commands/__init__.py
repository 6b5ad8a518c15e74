"""One folder for each capability; no command imports another one."""
