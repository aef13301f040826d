"""Audio files as features: reading them, the front ends, and the cache of computed features."""
