"""What any command needs while it runs: the runner, the life of a run, the verdict, Markdown."""
