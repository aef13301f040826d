"""What a build stores on disk: the run folder, the stage cache, and the stages as they run."""
