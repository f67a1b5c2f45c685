"""Running: from a request to finished runs, by planning, training, executing, and the processes or jobs that
do it.
"""
