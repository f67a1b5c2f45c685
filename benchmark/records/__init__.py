"""Runs and their records: what identifies a run, its files, which records count, and the trained model in
it.
"""
