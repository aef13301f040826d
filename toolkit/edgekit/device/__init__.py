"""What runs on a target: files here are copied as they are and must not import edgekit."""
