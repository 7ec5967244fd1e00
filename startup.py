"""Start Shortline: `python startup.py -a`. `--help` lists the rest."""

import sys

if __name__ == "__main__":
    try:
        from server.launcher.cli import main

        main()
    except ModuleNotFoundError as error:
        sys.exit(
            f"The package {error.name} is missing in {sys.executable}.\n"
            "Install Shortline there first: pip install -e ."
        )
