"""Review of a curation in the browser: pictures worst first, decisions by key, all of them in an edits file at once.

samples.py reads the run, pictures.py its pictures and clips, decisions.py keeps the edits, server.py serves them on 127.0.0.1.
"""
