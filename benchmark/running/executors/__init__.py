"""Where runs are run. An executor takes (run, folder) pairs and sees to it that each folder gets its
record.
"""
