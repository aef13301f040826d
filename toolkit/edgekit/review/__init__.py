"""Review of a curation in the browser: images worst first, decisions by key, all saved to an edits file immediately.

samples.py reads the run, pictures.py its images and clips, decisions.py stores the edits, server.py serves them on 127.0.0.1.
"""
