"""``python -m sidecar`` is ``leader-sidecar``."""

from sidecar.cli import main

if __name__ == "__main__":
    main()
