"""Studies: arms x RNG seeds -> evidence. `conduct.conduct` runs one; a study file defines it."""
