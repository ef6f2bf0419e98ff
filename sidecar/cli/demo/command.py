"""``leader-sidecar demo``."""

import click


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=None, help="Kill the leader this many times, then stop.")
def demo(rounds: int | None) -> int:
    """Shows an election: an etcd of its own and three sidecars on this machine."""
    from sidecar.cli.demo.play import play

    return play(rounds)
