"""Output for CI systems: outcome, JUnit file, step summary."""
