import sys

from benchmark.cli.parser import main

if __name__ == "__main__":  # a process started with "spawn" imports this file as well
    sys.exit(main())
