"""A build, a compression and a dry run: the stages in their order, and what each one does."""
