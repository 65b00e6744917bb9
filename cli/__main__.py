"""`python -m cli`: the same as the console script `ledger`."""

from cli.main import run

if __name__ == "__main__":
    run()
