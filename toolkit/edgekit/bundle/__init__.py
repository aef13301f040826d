"""Bundles: one folder with everything an app needs from a finished file, including a self-test to run on the device."""
