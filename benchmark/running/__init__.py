"""From a request to finished runs: planning, training, executing, and the processes or jobs that do it."""
