"""Start Shortline: `python startup.py -a`. `--help` lists the rest."""

from server.launcher.cli import main

if __name__ == "__main__":
    main()
