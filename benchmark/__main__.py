import sys

from benchmark.cli import main

if __name__ == "__main__":  # a process started with "spawn" imports this file as well
    sys.exit(main())
